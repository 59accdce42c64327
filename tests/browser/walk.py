"""The main paths of the console in a real browser, one check a line."""

import sys
from pathlib import Path

import stand
from selenium.webdriver.common.keys import Keys
from stand import POLICIES, Browser, Failed, Provider, Server

PASSWORD = "correct horse battery staple"
# The pages that the documents show, by the names of their pictures.
SHOWN = {"sign-in": "sign-in", "inbox": "inbox", "overview": "overview", "agents/deploy_bot": "agent", "policies": "policies",
         "playground": "playground", "schedules": "schedules", "kill": "stop"}
ROOT = Path(__file__).resolve().parents[2]
checks = 0


def check(sentence, holds, why=""):
    global checks
    checks += 1
    if not holds:
        raise Failed(f"{sentence}\n{why}")
    print(f"ok   {sentence}")


def main():
    binary, place, what = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    axe = (place / "node/node_modules/axe-core/axe.min.js").read_text()
    provider = Provider(place)
    server = Server(binary, POLICIES, provider)
    browsers = []
    try:
        walk(server, axe, browsers, what == "screenshots", place)
        print(f"{checks} checks")
    except Failed as failure:
        print(f"FAIL {failure}", file=sys.stderr)
        for number, browser in enumerate(browsers):
            browser.shot(place / f"failed-{number}.png")
        print(f"browser: what was on the screen is in {place}/failed-*.png", file=sys.stderr)
        sys.exit(1)
    finally:
        for browser in browsers:
            browser.quit()
        server.stop()
        provider.stop()


def walk(server, axe, browsers, screenshots, place):
    people = found(server)
    by_provider(server, place, browsers)
    admin = Browser()
    browsers.append(admin)
    first_sign_in(server, admin)
    dana = Browser()
    browsers.append(dana)
    sign_in(server, dana, people["dana"])
    live_arrival(server, dana, people)
    reject(server, dana, people)
    edit(server, dana, people)
    by_keyboard(server, dana, people)
    missed_step(server, dana, people)
    step_up(server, dana, people)
    roll_back(server, admin)
    stop_an_agent(server, admin, people)
    record = proof(server, admin, people)
    looks(server, admin, dana, people, axe, screenshots, record)


def found(server):
    """People and agents, by their keys."""
    keys = {}
    for user, duties in [("dana", ["support-leads"]), ("eli", ["support-leads"])]:
        body = {"id": user, "roles": ["reviewer"], "teams": ["support"], "duties": duties, "zone": "Europe/Zurich"}
        keys[user] = server.call(server.admin, "POST", "/v1/users", body)["key"]
    for agent, owner in [("support_bot", "team:support"), ("deploy_bot", "team:platform")]:
        keys[agent] = server.call(server.admin, "POST", "/v1/agents", {"id": agent, "owner": owner})["key"]
    return keys


def ask(server, people, **action):
    """The agent asks; the id of the request."""
    key = people[action.pop("agent", "support_bot")]
    answer = server.call(key, "POST", "/v1/actions", action)
    if not answer["approval"]:
        raise Failed(f"nobody is asked: {answer}")
    return answer["approval"]["id"]


def refund(server, people, amount, **more):
    evidence = {
        "reason": "The parcel arrived broken; the customer sent two photos.",
        "sources": ["ticket 4521", "photos 1 and 2"], "confidence": 0.86, "next_step": "tell the customer",
    }
    args = {"order": "4521", "customer": "c-1187", **more}
    return ask(server, people, action="issue_refund", amount=amount, currency="USD", env="production", args=args,
               resource={"type": "order", "id": "4521"}, access="write", evidence=evidence)


def first_sign_in(server, browser):
    browser.go(server.invitation)
    check("an invitation opens a page and uses nothing up by that", "You are invited" in browser.text())
    browser.submit("button.good")
    browser.fill("[name=password]", PASSWORD)
    browser.fill("[name=again]", PASSWORD)
    browser.submit("main form button.good")
    check("after an invitation a password is chosen", "password" in browser.text().lower(), browser.text())
    browser.submit(".who button")
    check("signing out says so", "You are signed out." in browser.text(), browser.text())
    browser.fill("[name=user]", "admin")
    browser.fill("[name=password]", "not the password")
    browser.submit("form.card button.good")
    check("a wrong password says no more than that", "The name or the password is not right." in browser.text())
    browser.fill("[name=user]", "admin")
    browser.fill("[name=password]", PASSWORD)
    browser.submit("form.card button.good")
    check("name and password sign in", "Sign out" in browser.text(), browser.text())


def sign_in(server, browser, key):
    browser.go(server.console + "/sign-in?to=%2Finbox")
    browser.click("details summary")
    browser.fill("[name=key]", key)
    browser.submit("details button")
    check("a key signs in, and leads to where one wanted to go", browser.driver.current_url.endswith("/inbox"))


def by_provider(server, place, browsers):
    """An OpenID Connect provider that is not ours (oidc-provider-mock of PyPI) vouches for a person."""
    browser = Browser()
    browsers.append(browser)
    for user, signed_in in [("eli", True), ("mallory", False)]:
        browser.go(server.console + "/sign-in?to=%2Finbox%3Fof%3Dall")
        browser.submit("a[href^='/sign-in/oidc']")
        browser.fill("[name=sub]", user)
        browser.submit("button[type=submit], input[type=submit], form button")
        browser.wait(f"the provider did not send {user} back", lambda: browser.driver.current_url.startswith(server.console))
        browser.loaded()
        if signed_in:
            check("an identity provider signs a person in, and leads to where one wanted to go",
                  browser.driver.current_url.endswith("/inbox?of=all") and "eli" in browser.text(), browser.text())
            browser.submit(".who button")
        else:
            check("whom the provider knows and nobody here does is not signed in", "did not sign you in" in browser.text(), browser.text())


def live_arrival(server, browser, people):
    browser.go(server.console + "/inbox")
    check("an empty inbox says so", "Nothing waits for you." in browser.text(), browser.text())
    browser.listening()
    refund(server, people, "340")
    browser.wait_for("issue_refund")
    check("a request appears by itself", "340 USD" in browser.text(), browser.text())
    browser.click("[data-row] a.what")
    browser.loaded()
    text = browser.text()
    for words in ["340", "production", "What the agent says", "nobody has checked it", "The parcel arrived broken",
                  "Who decides", "If nobody answers"]:
        check(f"the request shows `{words}`", words.lower() in text.lower(), text)
    browser.submit("button[value=approve]")
    check("it is approved", "You approved it. Your vote is on record." in browser.text(), browser.text())


def reject(server, browser, people):
    id = refund(server, people, "999")
    browser.go(f"{server.console}/approvals/{id}")
    browser.click("button[value=reject]")
    check("a rejection wants a reason first", f"/approvals/{id}" in browser.driver.current_url)
    browser.fill("#comment", "The photos show another parcel.")
    browser.submit("button[value=reject]")
    check("it is rejected", "You rejected it." in browser.text(), browser.text())


def edit(server, browser, people):
    id = refund(server, people, "400")
    browser.go(f"{server.console}/approvals/{id}")
    browser.click("#edit > summary")
    browser.fill("[name='set:/amount']", "120")
    browser.submit("button[value=edit]")
    check("less is approved than was asked", "You approved it with your changes." in browser.text(), browser.text())
    request = server.call(server.admin, "GET", f"/v1/approvals/{id}")
    check("and that is what stands", (request["stored"]["amount"], request["state"]) == ("120", "approved"), str(request))


def by_keyboard(server, browser, people):
    id = refund(server, people, "75")
    browser.go(server.console + "/overview")
    browser.press("g", "i")
    browser.wait("g i", lambda: browser.driver.current_url.endswith("/inbox"))
    browser.loaded()
    browser.press("j", "a")
    browser.wait("a opens the request", lambda: f"/approvals/{id}" in browser.driver.current_url)
    browser.loaded()
    browser.wait("the button has the focus", lambda: browser.driver.switch_to.active_element.get_attribute("value") == "approve")
    check("a key never decides by itself", server.call(server.admin, "GET", f"/v1/approvals/{id}")["state"] == "pending")
    page = browser.find("html")
    browser.press(Keys.ENTER)
    browser.wait("Enter decides", lambda: browser.is_gone(page))
    browser.loaded()
    check("a request is approved by keys alone", "You approved it." in browser.text(), browser.text())
    browser.press("?")
    browser.wait("? lists the keys", lambda: browser.find("#keys").is_displayed())
    browser.press(Keys.ESCAPE)


def missed_step(server, browser, people):
    id = ask(server, people, agent="deploy_bot", action="deploy", env="production", args={"service": "billing"})
    browser.go(server.console + "/inbox")
    browser.wait_for("deploy")
    check("a step that nobody answered in time goes on to the next", id in browser.driver.page_source)
    browser.go(f"{server.console}/approvals/{id}")
    browser.fill("#comment", "Eli is away.")
    browser.submit("button[value=approve]")
    check("and the next decides", "You approved it." in browser.text(), browser.text())


def step_up(server, browser, people):
    """An approval that a passkey signs: Chromium's own authenticator keeps the key."""
    browser.authenticator()
    # A key does not say who holds it: what makes passkeys is a session that began otherwise.
    invited = server.call(server.admin, "POST", "/v1/invitations", {"user": "dana"})
    browser.go(invited["url"])
    browser.submit("button.good")
    id = ask(server, people, agent="deploy_bot", action="rotate_keys", env="production")
    browser.go(f"{server.console}/approvals/{id}")
    browser.submit("button[value=approve]")
    check("who has no passkey is told where to get one", "you have none" in browser.text(), browser.text())
    browser.go(server.console + "/settings")
    browser.fill("form[data-make] [name=name]", "laptop")
    browser.submit("form[data-make] [data-passkey]")
    check("a passkey is added in Settings", "laptop" in browser.text(), browser.text())
    browser.go(f"{server.console}/approvals/{id}")
    browser.submit("button[value=approve]")
    check("the decision is to be signed", "sign with your passkey" in browser.text(), browser.text())
    browser.submit("[data-passkey]")
    check("it is approved with a signature", "You approved it." in browser.text(), browser.text())
    vote = server.call(server.admin, "GET", f"/v1/approvals/{id}")["votes"][-1]
    check("and the record says that it is signed", vote["signed"] and vote["counted"], str(vote))
    found = server.signed_votes()
    check("an export proves that it is", found["good"] == 1 and found["wrong"] == 0, str(found))
    check("and names where", found["places"] == [server.console.removesuffix("/console")], str(found))


def proof(server, browser, people):
    """A record that the browser proves by itself; the record that it was."""
    record = server.call(people["support_bot"], "POST", "/v1/actions", {"action": "delete_account"})["receipt"]["index"]
    browser.go(f"{server.console}/audit/records/{record}")
    browser.wait_for("proven in this browser")
    told = browser.find("[data-verify]").text
    check("a record is proven up to the root that the log signed", "is in the ledger" in told and "signed by the log's key" in told, told)
    check("and nothing of the proof fails", "no:" not in told, told)
    return record


def roll_back(server, browser):
    """Another policy is live by mistake; what was live before decides again."""
    before = next(row for row in server.call(server.admin, "GET", "/v1/policies")["snapshots"] if row["live"])["hash"]
    files = server.call(server.admin, "GET", f"/v1/policies/{before}")["files"]
    files["support.yaml"] = files["support.yaml"].replace("amount <= 50", "amount <= 5000")
    stored = server.call(server.admin, "POST", "/v1/policies", {"files": files})["hash"]
    server.call(server.admin, "POST", f"/v1/policies/{stored}/activate", {"rationale": "a slip of the finger"})
    browser.go(f"{server.console}/policies/{stored}")
    check("a version says what is different in words", "5000" in browser.text(), browser.text())
    form = f"form[action$='/rollback']"
    browser.unfold(form)
    browser.fill(f"{form} [name=reason]", "It was a slip of the finger.")
    browser.submit(f"{form} button")
    check("what was live before decides again", "What was live before decides again." in browser.text(), browser.text())
    now = next(row for row in server.call(server.admin, "GET", "/v1/policies")["snapshots"] if row["live"])["hash"]
    check("and the API says the same", now == before, now)


def stop_an_agent(server, browser, people):
    """A kill switch on one agent, and its release."""
    browser.go(server.console + "/agents/deploy_bot")
    check("an agent's page says who answers for it", "team:platform" in browser.text(), browser.text())
    browser.go(server.console + "/kill?scope=agent&name=deploy_bot")
    browser.fill("#engage [name=reason]", "It deploys at night.")
    browser.click("#engage [name=sure]")
    browser.submit("#engage button")
    check("an agent is stopped", "It is stopped." in browser.text() and "deploy_bot" in browser.text(), browser.text())
    answer = server.call(people["deploy_bot"], "POST", "/v1/actions", {"action": "deploy"})
    check("and gets nothing any more", (answer["status"], answer["reason_code"]) == ("refused", "killed"), str(answer))
    browser.click("#engaged details summary")
    browser.fill("#engaged [name=reason]", "It was told not to.")
    browser.submit("#engaged button")
    check("it is released", "Nothing is stopped." in browser.text(), browser.text())


def looks(server, admin, dana, people, axe, screenshots, record):
    """Every page in every look: no complaint of the browser, nothing wider than the window, nothing serious for axe-core."""
    waits = refund(server, people, "340")
    refund(server, people, "80")
    pages = [("sign-in", None), ("inbox", dana), (f"approvals/{waits}", dana)]
    denied = server.call(people["support_bot"], "POST", "/v1/actions", {"action": "delete_account"})["id"]
    pages += [(path, admin) for path in ["overview", "overview/kpis", "audit", f"audit/records/{record}", f"actions/{denied}", "callbacks", "settings", "settings/password",
                                         "settings/people", "settings/people/new", "settings/people/edit/dana", "settings/keys", "settings/reviewers"]]
    run = server.call(people["support_bot"], "POST", "/v1/runs", {"trigger": "event", "context": {"ticket": "4521"}})["run"]
    server.call(people["support_bot"], "POST", "/v1/actions", {"action": "answer_ticket", "run": run, "args": {"ticket": "4521"}})
    ask(server, people, action="issue_refund", amount="90", currency="USD", run=run, args={"customer": "c-1187"})
    versions = server.call(server.admin, "GET", "/v1/policies")["snapshots"]
    live, other = (next(row["hash"] for row in versions if row["live"] == is_live) for is_live in (True, False))
    key = server.call(server.admin, "GET", "/v1/keys")["keys"][-1]["kid"]
    pages += [(path, admin) for path in [f"runs/{run}", "budgets/refunds", "limits/refunds-to-one", f"policies/{live}", f"policies/{other}",
                                         f"policies/simulate?snapshot={other}", f"settings/keys/revoke/{key}"]]
    pages += [(path, admin) for path in ["agents", "agents/deploy_bot", "tools", "runs", "budgets", "kill", "policies", "policies/new", "playground",
                                         "schedules"]]
    shots = ROOT / "docs/screenshots"
    painted = []
    for who in (admin, dana):
        who.errors()  # What was refused on purpose before.
    for path, browser in pages:
        who = browser or admin
        for scheme in ("light", "dark"):
            who.scheme(scheme)
            for width in (1280, 390):
                who.size(width)
                who.go(f"{server.console}/{path}")
                who.loaded()
                painted.append(who.painted_ms())
                complaints = who.errors() + who.axe(axe)
                check(f"/{path} is fine in {scheme} at {width}", not complaints and not who.overflows(),
                      "\n".join(complaints) or "the page is wider than the window")
                if path.startswith("approvals/") and width == 390:
                    top = lambda what: browser.driver.execute_script("return document.querySelector(arguments[0]).getBoundingClientRect().top", what)
                    check("the decision stands above what was before", top("h1") < top("#h-why") < top("#decide [value=approve]") < top("#h-before"))
                name = SHOWN.get(path, "approval" if path.startswith("approvals/") else "record" if path.startswith("audit/records/") else None)
                # Enough to see how it looks, and no more than a repository should carry.
                if screenshots and name and (scheme, width) != ("dark", 390):
                    shots.mkdir(parents=True, exist_ok=True)
                    stand.settle()
                    who.shot(shots / f"{name}-{scheme}-{'wide' if width > 400 else 'narrow'}.png")
        who.scheme("light")
        who.size(1280)
    seen = sorted(ms for ms in painted if ms is not None)
    print(f"first contentful paint of {len(seen)} pages: {seen[len(seen) // 2]:.0f} ms in the middle, {seen[-1]:.0f} ms at most")


if __name__ == "__main__":
    main()
