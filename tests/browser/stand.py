"""A server of its own in a temporary folder, its API, and browsers that look at it."""

import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 20

SUPPORT = """
name: support
on:
- action: answer_ticket
- action: issue_refund
- action: delete_account
rules:
- condition: "action == 'answer_ticket'"
  decision: allow
- condition: "action == 'issue_refund' && has(amount) && amount <= 50"
  decision: allow
- condition: "action == 'issue_refund' && has(amount) && amount > 50"
  decision: require_approval
  approvers: [support-leads]
  editable: [/amount]
- condition: "action == 'delete_account'"
  decision: deny
"""

# The first step has two seconds, so that a walk can watch it being missed.
ORGANIZATION = """
organization: acme
routes:
  urgent:
    steps:
    - { to: [user:eli], within: 2s }
    - { to: [user:dana], within: 10m }
    deadline: 20m
  keys:
    steps:
    - { to: [user:dana], within: 10m }
    deadline: 20m
    assurance: webauthn
"""

CHANGES = """
name: changes
on:
- action: deploy
- action: rotate_keys
rules:
- condition: "action == 'rotate_keys'"
  decision: require_approval
  approvers: [keys]
- condition: "action == 'deploy'"
  decision: require_approval
  approvers: [urgent]
"""

# What has a page of its own: an account that fills, a window that counts.
BUDGETS = "budgets: [{ name: refunds, action: issue_refund, per: day, limit: 5000 USD, count: purchases }]\n"
LIMITS = "limits: [{ name: refunds-to-one, action: issue_refund, per: args.customer, count: 200, within: 1d }]\n"

POLICIES = {"organization.yaml": ORGANIZATION, "support.yaml": SUPPORT, "changes.yaml": CHANGES, "budgets.yaml": BUDGETS, "limits.yaml": LIMITS}


class Failed(Exception):
    pass


class Server:
    """`countersign serve` on a free port, reached as `http://localhost:PORT`."""

    def __init__(self, binary, policies, provider):
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-browser-"))
        self.binary = binary
        files = self.folder / "policies"
        files.mkdir()
        for name, text in policies.items():
            (files / name).write_text(text)
        made = subprocess.run(
            [binary, "init", "--data", self.folder / "data", "--policies", files, "--json"],
            capture_output=True, text=True, check=False,
        )
        if made.returncode != 0:
            raise Failed(f"init: {made.stdout}{made.stderr}")
        made = json.loads(made.stdout)
        self.admin, self.vkey = made["admin_key"], made["vkey"]
        self.log = open(self.folder / "server.log", "w+")
        self.process = subprocess.Popen(
            [binary, "serve", "--data", self.folder / "data", "--listen", "127.0.0.1:0", "--json"],
            stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=os.environ | {"COUNTERSIGN_OIDC_ISSUER": provider.issuer, "COUNTERSIGN_OIDC_CLIENT_ID": "countersign",
                              "COUNTERSIGN_OIDC_CLIENT_SECRET": "a secret of theirs"},
        )
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise Failed(f"serve said nothing: {(self.folder / 'server.log').read_text()}")
        said = json.loads(line)
        self.address = said["address"]
        self.console = said["console"].rstrip("/")
        self.invitation = said["invitation"]

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def signed_votes(self):
        """What somebody finds who has nothing but an export and the log's key."""
        bundle = self.folder / "bundle"
        run = [self.binary, "audit", "export", "--out", bundle, "--data", self.folder / "data"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
        run = [self.binary, "audit", "votes", bundle, "--vkey", self.vkey, "--json"]
        return json.loads(subprocess.run(run, stdout=subprocess.PIPE, timeout=PATIENCE).stdout)

    def call(self, key, method, path, body=None):
        """A call that has to be good."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data=data, method=method)
        request.add_header("authorization", f"Bearer {key}")
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as problem:
            raise Failed(f"{method} {path}: {problem.code} {problem.read().decode()}") from problem


class Provider:
    """An OpenID Connect provider of PyPI, on a free port."""

    def __init__(self, place):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.issuer = f"http://localhost:{port}"
        self.log = open(place / "provider.log", "w")
        command = [place / "venv/bin/oidc-provider-mock", "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.issuer + "/.well-known/openid-configuration", timeout=5).read()
                return
            except OSError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise Failed(f"the identity provider does not start: {(place / 'provider.log').read_text()}") from error
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.log.close()


class Browser:
    """Chromium, in one scheme and one size."""

    def __init__(self, scheme="light", width=1280, height=900):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--window-size={width},{height}", "--force-device-scale-factor=1"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(PATIENCE)
        self.size(width, height)
        self.scheme(scheme)

    def scheme(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def size(self, width, height=900):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def quit(self):
        self.driver.quit()

    def go(self, url):
        self.driver.get(url)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self):
        return self.find("body").text

    def wait(self, what, until):
        """Waits until something holds; what it was says so where it never does."""
        try:
            return WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05).until(lambda _: until())
        except Exception as error:
            raise Failed(f"{what}: {self.driver.current_url}\n{self.text()[:2000]}") from error

    def wait_for(self, words):
        self.wait(f"`{words}` never came", lambda: words in self.text())

    def press(self, *keys):
        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(key)
        chain.perform()

    def fill(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector):
        self.find(selector).click()

    def unfold(self, selector):
        """Opens the folds that something lies in."""
        self.driver.execute_script(
            "for (let e = document.querySelector(arguments[0]); e; e = e.parentElement) if (e.tagName === 'DETAILS') e.open = true", selector)

    def submit(self, selector):
        """Presses a button and waits until another page is there."""
        page = self.find("html")
        self.find(selector).click()
        self.wait(f"`{selector}` led nowhere", lambda: self.is_gone(page))
        self.loaded()

    def is_gone(self, element):
        try:
            element.is_enabled()
            return False
        except Exception:
            return True

    def loaded(self):
        self.wait("the page never loaded", lambda: self.driver.execute_script("return document.readyState") == "complete")

    def listening(self):
        """The script hears what is new."""
        self.wait("nothing is heard", lambda: self.driver.execute_script("return document.documentElement.dataset.live") == "on")

    def authenticator(self):
        """A device that keeps keys and knows its user."""
        options = VirtualAuthenticatorOptions()
        options.transport, options.protocol = "internal", "ctap2"
        options.has_resident_key = options.has_user_verification = options.is_user_verified = options.is_user_consenting = True
        self.driver.add_virtual_authenticator(options)

    def errors(self):
        """What the console of the browser complained about since it was asked last."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    def painted_ms(self):
        """When something was seen of the page first, since it was asked for."""
        return self.driver.execute_script("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null")

    def overflows(self):
        """Whether the page is wider than the window."""
        return self.driver.execute_script("return document.documentElement.scrollWidth > window.innerWidth + 1")

    def axe(self, source):
        """What axe-core finds that is serious or worse."""
        self.driver.execute_script(source)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations), e => done([{id: String(e), impact: 'critical', nodes: []}]));"
        )
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        return [f"{v['id']}: {'; '.join(n['html'][:160] for n in v['nodes'][:3])}" for v in serious]

    def shot(self, path):
        """The whole page."""
        height = self.driver.execute_script("return Math.min(document.documentElement.scrollHeight, 2400)")
        width = self.driver.execute_script("return window.innerWidth")
        self.size(width, max(height, 600))
        self.driver.save_screenshot(str(path))
        self.size(width)


def settle(seconds=0.2):
    """For what has no end that could be waited for, such as a screenshot after a change of size."""
    time.sleep(seconds)
