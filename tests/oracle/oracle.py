#!/usr/bin/env python3
"""A second model of what a ledger may say, to hold exported ledgers against.

    python3 oracle.py records.jsonl

It reads the records of an export (`records.jsonl`) and asks of each what it needs before it. It shares no code with the product, uses
the standard library only, and knows nothing of policies: whether decisions follow from policy is asked by `countersign audit replay`.

Exit codes: 0 it holds, 1 it does not (every fault on a line of its own), 2 wrong usage.
"""

import datetime
import hashlib
import hmac
import json
import sys
from decimal import Decimal
from itertools import permutations

GRANTS = {"allow", "allow_with_constraints"}
ENDED = {"rejected", "expired", "cancelled", "invalidated", "lapsed"}
DAY = 24 * 3600 * 10**6


def instant(text):
    """Microseconds since 1970 of `2026-11-21T07:00:00.000123Z`."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds


def scope_text(scope):
    return scope["kind"] if scope["kind"] == "organization" else f"{scope['kind']}:{scope['name']}"


def scopes_of(agent, tool, operation):
    """Every kill switch that stops this."""
    names = {tool, tool.rsplit("/", 1)[-1], operation}
    return {"organization", f"agent:{agent}"} | {f"tool:{name}" for name in names}


def also_of(decision):
    """The same, by what the decision itself says: classes of the catalogue, the run, the team as of then."""
    named = {"run": [decision.get("run")], "team": [decision.get("team")], "class": decision.get("classes", [])}
    chain = {f"agent:{link['id']}" for link in decision["facts"].get("delegation", [])}
    return chain | {f"{kind}:{name}" for kind, names in named.items() for name in names if name}


class Model:
    def __init__(self):
        self.faults = []
        self.last = None
        self.users, self.active = {}, set()
        self.live, self.stored = None, set()
        self.candidate, self.tried = None, {}
        self.kills, self.killed_at = {}, {}
        self.decisions, self.approvals, self.permits = {}, {}, {}
        self.redeemed, self.outcomes, self.idem = {}, {}, {}
        self.owed, self.samples, self.practices = None, {}, set()
        self.broken, self.suspended, self.barred = {}, set(), set()
        self.keys, self.due, self.authenticators = {}, {}, {}
        self.credentials, self.released = {}, set()
        self.windows, self.counting, self.limits = {}, {}, {}
        self.circuits = {}
        self.sources = {}
        self.positions = {}
        self.spent, self.held, self.holds, self.reserved = {}, {}, {}, {}
        self.runs = {}
        self.counts = {"decisions": 0, "permits": 0, "redemptions": 0, "outcomes": 0, "approvals": 0, "kills": 0, "reservations": 0, "counted": 0}

    def need(self, holds, what):
        if not holds:
            self.faults.append(f"record {self.seq} ({self.kind}): {what}")

    def record(self, line):
        record = json.loads(line)
        self.seq, self.kind, self.now = record["seq"], record["type"], instant(record["ts"])
        before = self.last or {"seq": -1, "ts": -1}
        self.need(self.seq == before["seq"] + 1, "`seq` has a gap")
        self.need(self.now > before["ts"], "time does not rise")
        self.last = {"seq": self.seq, "ts": self.now}
        owed, self.owed = self.owed, None
        settled = self.kind == "approval.resolved" and record["data"]["approval"] == owed
        self.need(owed is None or settled, f"everybody who has to approve has, and `{owed}` goes on")
        if "idem" in record:
            key, known = record["idem"]["key"], self.idem.get(record["idem"]["key"])
            self.need(known is None or self.now - known >= DAY, "one idempotency key was carried out twice")
            self.idem[key] = self.now
        self.lapse()
        known = getattr(self, "on_" + self.kind.replace(".", "_"), None)
        if known:
            known(record, record["data"])

    # What is known of agents, people, policies and switches.

    def on_agent_registered(self, record, data):
        self.active.add(data["agent"])

    def on_agent_sighted(self, record, data):
        self.need(data["agent"] not in self.active, "a registered agent is sighted as if it were unknown")

    def on_user_added(self, record, data):
        self.users[data["user"]] = data

    def on_user_removed(self, record, data):
        self.users.pop(data["user"], None)
        self.authenticators.pop(data["user"], None)
        self.end_links(data["user"])

    def on_authenticator_added(self, record, data):
        self.need(data["user"] in self.users, "somebody who is nobody has something to sign in with")
        self.authenticators.setdefault(data["user"], set()).add(data["authenticator"])

    def on_authenticator_removed(self, record, data):
        theirs = self.authenticators.get(data["user"], set())
        self.need(data["authenticator"] in theirs, "an authenticator is removed that nobody had")
        theirs.discard(data["authenticator"])

    def on_key_issued(self, record, data):
        self.keys[data["kid"]] = data

    def on_key_revoked(self, record, data):
        key = self.keys.pop(data["kid"], None)
        self.need(key is not None, "a key is revoked that was never issued, or twice")
        if key and data.get("ends_links"):
            works = lambda other: not other.get("expires") or self.now < instant(other["expires"])
            passing = lambda other: any(scope == "sign_in" or scope.startswith("session:") for scope in other["scopes"])
            same = [other for other in self.keys.values() if (other["kind"], other["subject"]) == (key["kind"], key["subject"])]
            held = [other for other in same if not passing(other)]
            self.need(key["kind"] == "user" and not passing(key), "links end with what is no key that somebody was given")
            self.need(not any(map(works, held)), "links end though a key still works")
            self.end_links(key["subject"])

    def end_links(self, user):
        for approval in self.approvals.values():
            approval["links"] = {link: data for link, data in approval["links"].items() if data["user"] != user}

    def on_snapshot_uploaded(self, record, data):
        self.stored.add(data["hash"])

    def on_snapshot_waived(self, record, data):
        self.need(data["hash"] in self.stored, "what a policy lacks is let pass, and it was never stored")
        self.need(data["failing"] > 0 or data["untried"] > 0, "something is let pass of a policy that lacks nothing")

    def on_snapshot_activated(self, record, data):
        self.need(data["hash"] in self.stored, "a policy is made live that was never stored")
        self.need(data.get("previous") == self.live, "`previous` is not what was live")
        self.live = data["hash"]

    # A candidate decides for those whom its share picks, and is taken back when it goes too far.

    def on_candidate_started(self, record, data):
        self.need(data["hash"] in self.stored and data["hash"] != self.live, "a candidate that was never stored, or is live")
        other = self.candidate is not None and self.candidate["hash"] != data["hash"]
        self.need(not other, "two candidates are tried at once")
        self.candidate = data
        self.tried = {"decisions": 0, "candidate": {"asked": 0, "denied": 0, "erred": 0}, "live": {"asked": 0, "denied": 0, "erred": 0}}

    def on_candidate_ended(self, record, data):
        self.need(self.candidate is not None and self.candidate["hash"] == data["hash"], "a candidate ends that nobody tries")
        left = data.get("left")
        if left and self.candidate:
            bands, rate = self.candidate["canary"]["bands"], left["rate"]
            said = (self.tried["candidate"][rate], self.tried["live"][rate], self.tried["decisions"])
            self.need(said == (left["candidate"], left["live"], left["decisions"]), "a candidate is taken back on other numbers")
            self.need(abs(said[0] - said[1]) * 1000 > bands[rate] * said[2] and said[2] >= bands["after"], "a candidate is taken back within its band")
        self.need(data["why"] != "promoted" or self.live == data["hash"], "a candidate was promoted that is not live")
        self.candidate = None

    def deciding(self, agent, run):
        """The policy that decides for an agent and a run."""
        canary = (self.candidate or {}).get("canary")
        if not canary:
            return self.live
        kind, subject = ("run", run) if canary["of"] == "runs" and run is not None else ("agent", agent)
        text = b"countersign-canary-v1\0" + b"\0".join([self.candidate["hash"].encode(), kind.encode(), subject.encode()])
        first = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
        return self.candidate["hash"] if first % 1000 < canary["permille"] else self.live

    def deciding_of(self, action):
        data = self.decisions[action]["data"]
        return self.deciding(data["agent"], data.get("run"))

    def try_both(self, record, data):
        beside = data.get("beside")
        if not beside or data.get("practice"):
            return
        by_candidate = self.candidate is not None and record.get("snapshot") == self.candidate["hash"]
        self.need(beside["hash"] == (self.live if by_candidate else (self.candidate or {}).get("hash")), "another policy is asked than is tried")
        erred = beside["decided"] == "deny" and any(reason["code"] == "condition_error" for reason in data["reasons"])
        said = [(beside["decided"], erred), (beside["says"], beside.get("erred", False))]
        self.tried["decisions"] += 1
        for who, (decision, erred) in zip(("candidate", "live") if by_candidate else ("live", "candidate"), said):
            self.tried[who]["denied"] += decision == "deny"
            self.tried[who]["asked"] += decision == "require_approval"
            self.tried[who]["erred"] += erred

    def on_kill_engaged(self, record, data):
        self.counts["kills"] += 1
        self.kills[scope_text(data["scope"])] = self.seq
        self.killed_at[scope_text(data["scope"])] = self.seq

    def on_kill_released(self, record, data):
        self.need(self.kills.pop(scope_text(data["scope"]), None) is not None, "nothing was killed there")

    # A drill or a canary never comes to a permit, and says what it was.

    def on_practice_started(self, record, data):
        decision = self.decisions.get(data["action_id"])
        self.need(decision and decision["data"].get("practice") == data["kind"], "a practice whose decision says otherwise")
        self.practices.add(data["approval"])

    def on_practice_ended(self, record, data):
        self.need(data["approval"] in self.practices, "a practice ends that nobody made")
        self.practices.discard(data["approval"])
        self.need({answer["user"] for answer in data["answers"]} <= set(self.users), "somebody answered who is nobody")

        if "unanswered" in data:
            silent = set(data["asked"]) - {answer["user"] for answer in data["answers"]}
            self.need(set(data["unanswered"]) == silent, "somebody is said not to have answered who did, or was not asked")

    def on_practice_due(self, record, data):
        """One in each span of a cadence, at the moment that the span's key draws."""
        begins, at, length = instant(data["begins"]), instant(data["at"]), data["every_s"] * 10**6
        self.need(self.due.get(data["cadence"], begins - 1) < begins, "a cadence was due twice within a span")
        self.due[data["cadence"]] = self.now
        text = b"countersign-practice-at-v1\0" + data["draw"].to_bytes(4, "big")
        drawn = int.from_bytes(hmac.new(bytes.fromhex(data["key"]), text, "sha256").digest()[:8], "big")
        self.need(begins % length == 0 and at == begins + (drawn * length >> 64) <= self.now, "a drill was due at another moment")
        self.need(("approval" in data) != ("reason" in data), "a drill was asked, and could not be")
        self.need(data.get("approval") in self.practices | {None}, "a drill was due that was not made")

    # Weekly samples are drawn again with the key that the week's end tells.

    def on_sample_drawn(self, record, data):
        part = self.samples.get(data["week"], {})
        self.need(data["action_id"] in part, "an action is drawn that took no part")
        if data["action_id"] in part:
            part[data["action_id"]]["drawn"] = True

    def on_sample_revealed(self, record, data):
        part = self.samples.pop(data["week"], {})
        drawn = {action for action, what in part.items() if what["drawn"]}
        self.need((data["of"], data["drawn"]) == (len(part), len(drawn)), "the numbers of a week's sample are others")
        key, shares = bytes.fromhex(data["key"]), {action: what["share"] for action, what in part.items()}
        for action, share in shares.items():
            first = hmac.new(key, b"countersign-draw-v1\0" + action.encode(), "sha256").digest()[:4]
            wanted = int.from_bytes(first, "big") * 10_000 < share << 32
            self.need((action in drawn) == wanted, f"`{action}` is drawn otherwise with the key of {data['week']}")

    # One action after the other.

    def on_decision_made(self, record, data):
        self.counts["decisions"] += 1
        action, remedy = data["action_id"], data.get("remedy") or {}
        self.need(action not in self.decisions, "the action was decided before")
        deciding = self.deciding(data["agent"], data.get("run"))
        self.need(record.get("snapshot") == deciding, "it does not cite the policy that decides for its agent and run")
        self.try_both(record, data)
        applied = remedy.get("applied", False)
        tool = data.get("tool") or data["action"]
        runs = (remedy["tool"], remedy["action"]) if applied else (tool, data["action"])
        scopes = scopes_of(data["agent"], *runs) | also_of(data)
        self.decisions[action] = {"data": data, "digest": remedy["digest"] if applied else data["digest"], "scopes": scopes, "seq": self.seq}
        granted = data["decision"] in GRANTS
        permit = data.get("permit")
        status = "permitted" if permit else "pending" if data.get("approval") else "refused"
        self.need(data["status"] == status, f"status `{data['status']}` with permit {bool(permit)}, approval {bool(data.get('approval'))}")
        self.need(not permit or granted, "a permit without a decision that allows")
        self.need(not granted or permit, "an allow without a permit")
        self.need(not data.get("approval") or data["decision"] == "require_approval", "a request to people that no decision asks for")
        if permit:
            self.mint(permit, action, data["agent"], scopes | scopes_of(data["agent"], tool, data["action"]))
        self.reserve(data)
        self.count(data)
        self.try_out(action, data.get("trials", []), permit and instant(permit["expires"]))
        self.in_run(data, status)
        self.say(data, data["agent"], data["action_id"], data.get("practice"))

    # Disagreements: who wants what of which subject is counted again.

    def say(self, data, agent, action, practice):
        for read in data["facts"].get("positions", []):
            subject = (read["rule"], read["subject"])
            others = {who: said for who, said in self.positions.get(subject, {}).items() if who != agent and said["until"] > self.now}
            counted = {"for": 0, "against": 0, read["side"]: 1}
            for said in others.values():
                counted[said["side"]] += 1
            self.need((read["supporting"], read["against"]) == (counted["for"], counted["against"]), "others want something else than it says")
            opposite = {said["action"] for said in others.values() if said["side"] != read["side"]}
            self.need(bool(opposite) == bool(read.get("opposed_by")), "it says otherwise whether somebody wants the opposite")
            self.need(not opposite or read.get("opposed_by") in opposite | {None}, "it names an action that wants no opposite")
        taken = data.get("positions", [])
        self.need({(one["rule"], one["subject"], one["side"]) for one in taken} == {(read["rule"], read["subject"], read["side"]) for read in data["facts"].get("positions", [])}, "it wants something else than what was looked at")
        self.wants(agent, action, taken if not practice else [])

    def wants(self, agent, action, taken):
        for one in taken:
            said = {"side": one["side"], "until": instant(one["until"]), "action": action}
            self.positions.setdefault((one["rule"], one["subject"]), {})[agent] = said

    def wants_anew(self, data, agent):
        taken = data.get("positions", [])
        for one in taken:
            said = self.positions.get((one["rule"], one["subject"]), {}).get(agent)
            self.need(said is None or said["until"] <= self.now, "it says again what its agent wants")
        self.wants(agent, data["action_id"], taken)

    def unsay(self, action):
        for agents in self.positions.values():
            for agent in [agent for agent, said in agents.items() if said["action"] == action]:
                del agents[agent]

    # Runs: who acts in one, and what has been read there.

    def in_run(self, data, status):
        run, stated = self.runs.get(data.get("run")), set(data.get("stated_reads", []))
        if run is None:
            return
        facts = data["facts"]
        agents = {data["agent"]} | {link["id"] for link in facts.get("delegation", [])}
        self.need(status == "refused" or agents & run["agents"], "it acts in a run that names other agents")
        self.need(run["reads"] | stated <= set(facts.get("reads", [])), "it was decided as if less had been read in its run")
        if not data.get("practice"):
            run["reads"] |= stated | set(data.get("handed_reads", []))
        self.has_read(data["action_id"] if data.get("permit") else None)

    def has_read(self, action):
        decision = self.decisions.get(action)
        if decision and decision["data"].get("run") in self.runs:
            self.runs[decision["data"]["run"]]["reads"] |= set(decision["data"].get("reads", []))

    def on_run_started(self, record, data):
        self.need(data["run"] not in self.runs, "the run was started before")
        self.need(set(data["agents"]) <= self.active, "an agent acts in it that is not active")
        self.runs[data["run"]] = {"agents": set(data["agents"]), "reads": set(data.get("reads", []))}

    def on_run_ended(self, record, data):
        self.need(self.runs.pop(data["run"], None) is not None, "the run was not open")

    def on_run_input(self, record, data):
        self.need(record["actor"]["kind"] != "agent", "an agent speaks for a person")
        if data["run"] in self.runs:
            self.runs[data["run"]]["reads"].discard("outside")

    def mint(self, permit, action, agent, scopes):
        self.counts["permits"] += 1
        self.need(permit["id"] not in self.permits, "the permit was issued before")
        self.need(agent in self.active, "a permit for an agent that is not active")
        self.need(not scopes & set(self.kills), "a permit in the scope of an engaged kill switch")
        self.need(instant(permit["expires"]) > self.now, "a permit that is over when it is issued")
        self.permits[permit["id"]] = {"action": action, "expires": instant(permit["expires"]), "seq": self.seq, "gone": False}

    # What permits hold of budgets, added up from the records alone.

    def reserve(self, data):
        action, permit, reserved = data["action_id"], data.get("permit"), data.get("reserved", [])
        self.need(permit or not reserved, "something is reserved without a permit")
        if not permit or not reserved:
            return
        self.counts["reservations"] += 1
        self.need(action not in self.reserved, "the action reserved before")
        self.reserved[action] = reserved
        self.holds[action] = instant(permit["expires"])
        for one in reserved:
            key, amount, left = (one["account"], one["from"]), Decimal(one["amount"]), Decimal(one["left"])
            self.need(amount >= 0, f"less than nothing is reserved from `{key[0]}`")
            self.need(instant(one["from"]) <= self.now < instant(one["until"]), f"`{key[0]}` is reserved from outside its window")
            used = amount
            if not one["account"].endswith("/action"):
                used += self.spent.get(key, 0) + self.held.get(key, 0)
                self.held[key] = self.held.get(key, 0) + amount
            self.need(Decimal(one["limit"]) - used == left, f"`{key[0]}` has {Decimal(one['limit']) - used} left, not {left}")
            self.need(left >= 0 or amount == 0 or one.get("beyond"), f"`{key[0]}` is overspent")

    def give_back(self, action):
        """What the action held; nothing where its reservation has ended."""
        held = self.holds.pop(action, None) is not None
        for one in self.reserved.get(action, []) if held else []:
            key = (one["account"], one["from"])
            if key in self.held:
                self.held[key] -= Decimal(one["amount"])
        return held

    def lapse(self):
        for action in [action for action, expires in self.holds.items() if expires <= self.now and action not in self.redeemed]:
            self.give_back(action)
        for action in [action for action, expires in self.counting.items() if expires <= self.now]:
            self.uncount(action)

    # What limits count, counted again from the records alone.

    def held_by(self, limit, window, span, now):
        entries = [one for one in self.windows.get((limit, window), []) if one["from"] + span > now]
        return len(entries), sum((one["amount"] for one in entries), Decimal(0)), any(one["late"] for one in entries)

    def count(self, data):
        action, permit, counted = data["action_id"], data.get("permit"), data.get("counted", [])
        for one in counted:
            self.limits.setdefault(one["limit"], {})["span"] = instant(one["until"]) - instant(one["from"])
        for read in data.get("facts", {}).get("windows", []):
            limit = self.limits.setdefault(read["limit"], {})
            limit |= {"most": read.get("at_most"), "sum": read.get("sum_at_most")}
            if "span" in limit:
                count, total, _ = self.held_by(read["limit"], read["window"], limit["span"], self.now)
                # A window with many entries holds some of them a thousandth longer.
                exact = count <= read["counted"] if read["counted"] >= 1000 else count == read["counted"]
                self.need(exact, f"`{read['limit']}` holds {count} for `{read['window']}`, not {read['counted']}")
                if "sum" in read and read["counted"] < 1000:
                    self.need(Decimal(read["sum"]) == total, f"`{read['limit']}` comes to {total} for `{read['window']}`, not {read['sum']}")
        if data.get("practice"):
            return  # Nobody did what a practice is about.
        for one in counted:
            self.add_to(one, action, late=False)
        self.counts["counted"] += len(counted)
        if permit and (counted or action in self.counting):
            self.counting[action] = instant(permit["expires"])

    def add_to(self, one, action, late):
        key, since = (one["limit"], one["window"]), instant(one["from"])
        entries = self.windows.setdefault(key, [])
        entries.append({"from": since, "amount": Decimal(one.get("amount", 0)), "action": action, "late": late})
        limit, span = self.limits.get(one["limit"], {}), instant(one["until"]) - since
        entries[:] = [entry for entry in entries if entry["from"] + span > since]
        count, total, loose = self.held_by(*key, span, since)
        if one.get("beyond") or late or loose or one.get("repeats"):
            entries[-1]["late"] = True
            return
        self.need(limit.get("most") is None or count <= limit["most"], f"`{key[0]}` lets {count} through for `{key[1]}`")
        fits = limit.get("sum") is None or not Decimal(one.get("amount", 0)) or total <= Decimal(limit["sum"])
        self.need(fits, f"`{key[0]}` lets {total} through for `{key[1]}`")

    def uncount(self, action):
        self.counting.pop(action, None)
        if action in self.redeemed:
            return
        for entries in self.windows.values():
            entries[:] = [one for one in entries if one["action"] != action]

    def recount(self, action, counted):
        """What counts since the use of a permit, in place of what counted since its decision."""
        self.counting.pop(action, None)
        for one in counted:
            entries = self.windows.setdefault((one["limit"], one["window"]), [])
            entries[:] = [entry for entry in entries if entry["action"] != action]
            self.add_to(one, action, late=False)

    def settle(self, data):
        action, settled = data["action_id"], data.get("settled", [])
        reserved = {(one["account"], one["from"]): Decimal(one["amount"]) for one in self.reserved.get(action, [])}
        held = self.give_back(action)
        keys = [(one["account"], one["from"]) for one in settled]
        self.need(sorted(keys) == sorted(reserved), "what is settled is not what was reserved")
        for one, key in zip(settled, keys):
            amount = Decimal(one["amount"])
            over = amount - (reserved.get(key, 0) if held else 0)
            self.need(amount >= 0, f"less than nothing is taken from `{key[0]}`")
            self.need(Decimal(one.get("over", 0)) == max(over, 0), f"`{key[0]}` is overrun by {over}, and the record says otherwise")
            self.spent[key] = self.spent.get(key, 0) + amount

    def on_approval_opened(self, record, data):
        self.counts["approvals"] += 1
        decision = self.decisions.get(data["action_id"])
        self.need(decision and decision["data"].get("approval") == data["approval"], "no decision asked for it")
        self.need(instant(data["deadline"]) > self.now, "its deadline is over")
        self.approvals[data["approval"]] = {"data": data, "yes": set(), "second": set(), "links": {}, "author": None, "revision": 1, "state": "open", "missing": set(data.get("missing", []))}

    def on_approval_answered(self, record, data):
        approval = self.approvals.get(data["approval"])
        self.need(approval and approval["state"] == "open", "evidence for a request that is not open")
        if approval:
            approval["missing"] = set(data.get("missing", []))

    def on_approval_revised(self, record, data):
        """The request goes on about another action: as strictly as before or more so, and nobody has approved that yet."""
        approval, decision = self.approvals.get(data["approval"]), self.decisions.get(data["action_id"])
        if not self.need_known(approval) or not self.need_known(decision):
            return
        opened = approval["data"]
        self.need(approval["state"] == "open" and not approval["missing"], "what does not wait for people is revised")
        self.need(self.now < instant(opened["deadline"]), "revised after the deadline")
        self.need(data["previous"] == opened["digest"] != data["digest"], "it does not follow from what was there")
        self.need(record.get("snapshot") == self.deciding_of(data["action_id"]), "it does not cite the policy that decides")
        self.need(data["decision"] not in ("deny", "remediate"), "revised to what policy does not grant")
        self.need(data["revision"] == approval["revision"] + 1, "a revision has no number of its own")
        self.need(all(slot in data["slots"] for slot in opened["slots"]), "somebody who had to approve has not to any more")
        out = [{person["user"] for person in one.get("excluded", [])} for one in (opened, data)]
        self.need(out[0] <= out[1], "somebody who was excluded is not any more")
        self.need(data["valid_for_s"] <= opened["valid_for_s"], "an approval of it is good for longer")
        editor, editable = data.get("edited_by"), opened.get("editable", {}).get("pointers", [])
        within = lambda place: any(place == one or place.startswith(one + "/") for one in editable)
        self.need(not editor or (data["changed"] and all(map(within, data["changed"]))), "edited where nothing may be edited")
        self.need(not editor or editor not in out[1], "edited by somebody who is excluded")
        self.need(editor or not data.get("second") and not data.get("keeps_votes"), "the agent's own revision keeps votes")
        keeps = opened.get("editable", {}).get("keeps_votes", False)
        self.need(keeps or not data.get("keeps_votes"), "votes stand that no route lets stand")
        approval["data"] = {**opened, **{name: data.get(name, []) for name in ("digest", "slots", "excluded", "valid_for_s")}}
        approval |= {"revision": data["revision"], "author": editor if data.get("second") else None, "edited_by": editor}
        if not data.get("keeps_votes"):
            approval |= {"yes": set(), "second": set()}
        if data["approval"] not in self.practices:
            self.uncount(data["action_id"])
            self.count(data)
        practice = data["approval"] in self.practices
        if not practice:
            self.unsay(data["action_id"])
        self.say(data, decision["data"]["agent"], data["action_id"], practice)
        decision["digest"] = data["digest"]
        decision["data"] = {**decision["data"], "classes": data.get("classes", [])}

    def on_approval_linked(self, record, data):
        """A link decides once, for one person, and not for longer than the request is open."""
        approval = self.approvals.get(data["approval"])
        if not self.need_known(approval):
            return
        self.need(approval["state"] == "open", "a link for a request that has ended")
        self.need(self.now < instant(data["until"]) <= instant(approval["data"]["deadline"]), "a link works after the deadline")
        self.need(data["user"] in self.users, "a link for nobody")
        approval["links"][data["link"]] = data

    def on_approval_voted(self, record, data):
        approval = self.approvals.get(data["approval"])
        if not self.need_known(approval) or not data["counted"]:
            return
        if record.get("payload") and data["verb"] in ("approve", "edit", "reject") and data["approval"] not in self.practices:
            run = self.decisions[approval["data"]["action_id"]]["data"].get("run")
            self.runs.get(run, {"reads": set()})["reads"].discard("outside")
        opened = approval["data"]
        if data.get("link"):
            link = approval["links"].pop(data["link"], None)
            self.need(link and link["user"] == data["user"] and self.now < instant(link["until"]), "a vote counts by a link that does not work")
            self.need(data.get("channel") == (link or {}).get("channel"), "a vote by a link names another channel")
        self.need(approval["state"] == "open", "a vote counts on a request that has ended")
        self.need(data["digest"] == opened["digest"], "a vote for another action counts")
        self.need(self.now < instant(opened["deadline"]), "a vote after the deadline counts")
        self.need(not approval["missing"], "a vote counts before the evidence is complete")
        self.need(data["user"] not in {out["user"] for out in opened.get("excluded", [])}, "a vote of somebody who is excluded counts")
        self.need(any(data["user"] in place for place in self.places(opened)), "a vote of somebody who may not decide counts")
        self.need(data["user"] not in approval["yes"], "one person votes twice")
        self.need(data["user"] not in self.barred, "a vote of somebody who is suspended counts")
        if data["verb"] == "edit":
            self.need(approval.pop("edited_by", None) == data["user"], "an edit that made nothing of the action counts")
        if data["verb"] in ("approve", "edit"):
            approval["yes"].add(data["user"])
            approval["second"] |= {data["user"]} if data.get("second") else set()
        if self.seconded(approval) or data["verb"] == "reject":
            self.owed = data["approval"]

    def seconded(self, approval):
        """Enough people have approved, and one more where somebody's votes were conspicuous."""
        opened, yes, second = approval["data"], approval["yes"], approval["second"]
        others = [yes - {user} for user in yes - second]
        seats = set().union(*self.places(opened))
        if approval["author"] and not seats & yes - {approval["author"]}:
            return False
        return self.filled(opened, yes) and (not second or any(self.filled(opened, left) for left in others))

    def on_reviewer_suspended(self, record, data):
        self.need(data["user"] not in self.barred and data["flags"], "suspended twice, or for nothing")
        self.barred.add(data["user"])
        if data.get("ends_links"):
            self.end_links(data["user"])

    def on_reviewer_restored(self, record, data):
        self.need(data["user"] in self.barred and data["by"] != data["user"], "restored to somebody who voted, or by themselves")
        self.barred.discard(data["user"])

    def need_known(self, thing):
        self.need(thing is not None, "it is about something that was never opened")
        return thing is not None

    def named(self, name):
        kind, _, bare = name.rpartition(":")
        kinds = {"user": ["user"], "team": ["teams"], "role": ["duties"], "duty": ["duties"]}.get(kind, ["user", "teams", "duties"])
        bare = bare if kind in ("user", "team", "role", "duty") else name
        means = lambda user: any(bare == user["user"] if part == "user" else bare in user[part] for part in kinds)
        return {id for id, user in self.users.items() if {"reviewer", "admin"} & set(user["roles"]) and means(user)}

    def places(self, opened):
        """A set of people for each yes that is needed."""
        out, places = {person["user"] for person in opened.get("excluded", [])}, []
        for slot in opened["slots"]:
            people = set().union(*map(self.named, slot["names"])) if slot["names"] else {
                id for id, user in self.users.items() if "admin" in user["roles"]}
            places += [self.named(name) for name in slot["names"]] if slot["quorum"] == "all" else [people] * max(1, slot["quorum"]["any"])
        return [place - out for place in places]

    def filled(self, opened, yes):
        """Whether distinct people who said yes fill every place: tried out, one seating after the other."""
        places = self.places(opened)
        if len(places) > len(yes):
            return False
        return any(all(person in place for person, place in zip(seating, places)) for seating in permutations(sorted(yes), len(places)))

    def on_approval_resolved(self, record, data):
        approval = self.approvals.get(data["approval"])
        if not self.need_known(approval):
            return
        self.need(approval["state"] not in ENDED, f"it had ended as {approval['state']}")
        self.need(bool(data.get("permit")) == (data["state"] == "approved"), "a permit without an approval, or an approval without a permit")
        if data["state"] == "approved":
            opened, decision = approval["data"], self.decisions[data["action_id"]]
            self.need(approval["state"] == "open", "it was approved before")
            if data.get("break_glass"):
                self.need(data["approval"] in self.broken, "let through, and nobody broke the glass")
                self.need(instant(data["permit"]["expires"]) - self.now <= 30 * 60 * 10**6, "let through for more than half an hour")
            else:
                self.need(self.seconded(approval), "approved without the people who have to approve")
            self.need(self.now < instant(opened["deadline"]), "approved after its deadline")
            voided = [scope for scope in decision["scopes"] if self.killed_at.get(scope, -1) > decision["seq"]]
            self.need(not voided, "approved after a kill that concerns it")
            self.mint(data["permit"], data["action_id"], opened["agent"], decision["scopes"])
            self.reserve(data)
            self.count(data)
            self.wants_anew(data, opened["agent"])
            self.has_read(data["action_id"])
        else:
            self.give_back(data["action_id"])
            self.uncount(data["action_id"])
            if data.get("reason_code") in ("rejected", "cancelled"):
                self.unsay(data["action_id"])
            for permit in self.permits.values():
                permit["gone"] |= permit["action"] == data["action_id"]
        approval["state"] = data["state"]

    def on_glass_broken(self, record, data):
        approval, user = self.approvals.get(data["approval"]), data["user"]
        if not self.need_known(approval):
            return
        self.need(approval["state"] == "open" and not approval["missing"], "let through what does not wait for people")
        self.need(user not in {out["user"] for out in approval["data"].get("excluded", [])}, "let through by somebody who is excluded")
        self.need(record["actor"]["kind"] == "user" and record["actor"]["id"] == user, "let through by somebody else than it says")
        self.need(user not in self.suspended, "let through by somebody whose right is suspended")
        self.need(data["approval"] not in self.broken, "the glass was broken before")
        self.broken[data["approval"]] = data["review"]
        self.owed = data["approval"]

    def on_glass_suspended(self, record, data):
        self.need(data["review"] in self.broken.values(), "suspended for a look that nobody owes")
        self.suspended.add(data["user"])

    def on_glass_restored(self, record, data):
        self.need(data["user"] in self.suspended and data["by"] != data["user"], "restored to somebody who had it, or by themselves")
        self.suspended.discard(data["user"])

    def on_permit_redeemed(self, record, data):
        self.counts["redemptions"] += 1
        permit, decision = self.permits.get(data["permit"]), self.decisions.get(data["action_id"])
        if not self.need_known(permit) or not self.need_known(decision):
            return
        self.need(permit["action"] == data["action_id"], "the permit is for another action")
        self.need(data["action_id"] not in self.redeemed, "the permit was used before")
        self.need(not permit["gone"], "the permit was withdrawn")
        self.need(self.now < permit["expires"], "the permit had expired")
        self.need(data["digest"] == decision["digest"], "what runs is not what was decided")
        self.need(not decision["scopes"] & set(self.kills), "used in the scope of an engaged kill switch")
        voided = [scope for scope in decision["scopes"] if self.killed_at.get(scope, -1) > permit["seq"]]
        self.need(not voided, "used although a kill came after it was issued")
        deciding = self.deciding_of(data["action_id"])
        self.need((record.get("snapshot") or data.get("reevaluated") or deciding) == deciding, "used under a policy that does not decide")
        self.need(data["action_id"] in self.holds or data["action_id"] not in self.reserved, "what it had reserved is settled")
        self.redeemed[data["action_id"]] = self.seq
        self.wants_anew(data, decision["data"]["agent"])
        self.has_read(data["action_id"])
        self.recount(data["action_id"], data.get("counted", []))
        self.try_out(data["action_id"], data.get("trials", []), permit["expires"])

    def on_credential_stored(self, record, data):
        before = self.credentials.get(data["credential"])
        self.need(data["version"] == (before["version"] if before else 0) + 1, "a value of a credential is not counted")
        self.credentials[data["credential"]] = data

    def on_credential_removed(self, record, data):
        self.need(self.credentials.pop(data["credential"], None) is not None, "nothing was stored under this name")

    def on_credential_released(self, record, data):
        permit, decision = self.permits.get(data["permit"]), self.decisions.get(data["action_id"])
        credential = self.credentials.get(data["credential"])
        if not (self.need_known(permit) and self.need_known(decision) and self.need_known(credential)):
            return
        self.need(permit["action"] == data["action_id"], "the permit is for another action")
        self.need(data["action_id"] in self.redeemed, "a credential for a permit that was not used")
        self.need(data["permit"] not in self.released, "a second credential for one permit")
        self.need(data["action_id"] not in self.outcomes, "a credential for an action that is over")
        self.need(self.now < permit["expires"], "the permit had expired")
        self.need(not decision["scopes"] & set(self.kills), "a credential in the scope of an engaged kill switch")
        voided = [scope for scope in decision["scopes"] if self.killed_at.get(scope, -1) > permit["seq"]]
        self.need(not voided, "a credential although a kill came after its permit")
        same = all(data[field] == credential[field] for field in ("secret", "version"))
        self.need(same, "another value than the one that is stored")
        self.released.add(data["permit"])

    def on_outcome_reported(self, record, data):
        self.counts["outcomes"] += 1
        action, decision = data["action_id"], self.decisions.get(data["action_id"])
        if not self.need_known(decision):
            return
        self.need(action not in self.outcomes, "the outcome was known")
        allowed = decision["data"].get("permit") is not None
        self.need(action in self.redeemed or allowed, "an outcome without an allow or a permit that was used")
        self.need(action in self.redeemed or data["status"] != "unknown" or record["actor"]["kind"] != "system", "nobody was waited for")
        self.outcomes[action] = data["status"]
        if "week" in data:
            share = (decision["data"].get("acts_in") or {}).get("share")
            self.need(share is not None, "an outcome takes part in a sample, and its decision says no share")
            self.samples.setdefault(data["week"], {})[action] = {"share": share or 0, "drawn": False}
        self.settle(data)
        self.counting.pop(action, None)
        for one in data.get("counted", []):
            entries = self.windows.setdefault((one["limit"], one["window"]), [])
            entries[:] = [entry for entry in entries if entry["action"] != action]
            self.add_to(one, action, late=True)

    # Circuits: nothing goes through an open one but one trial at a time, from the time on that the record states.

    def try_out(self, action, trials, expires):
        for one in trials:
            circuit = self.circuits.get((one["limit"], one["circuit"]))
            if not self.need_known(circuit):
                continue
            self.need(circuit["until"] <= self.now, f"`{action}` tries a circuit before its time")
            before = circuit["trial"]
            over = before is None or before in self.outcomes or (before not in self.redeemed and circuit["expires"] <= self.now)
            self.need(over, f"`{action}` tries a circuit that another action tries")
            circuit |= {"trial": action, "expires": expires}

    # Calls that were seen elsewhere: what a source tells again counts once.

    def on_calls_observed(self, record, data):
        last = self.sources.get(data["source"])
        # A batch that names much makes several records of the same place.
        again = last is not None and last[0] == data["last"] and last[1] == self.seq - 1
        self.need(last is None or again or data["last"] > last[0], f"`{data['source']}` tells what it has told")
        self.sources[data["source"]] = (data["last"], self.seq)
        days = [one["day"] for one in data["counts"]]
        self.need(all(day > self.now // DAY - 30 for day in days), "calls are counted that are older than what is kept")

    def on_circuit_opened(self, record, data):
        key, action = (data["limit"], data["circuit"]), data["action_id"]
        # What nobody tries for 30 days is forgotten when another one opens.
        self.circuits = {at: one for at, one in self.circuits.items() if at[0] != key[0] or one["until"] + 30 * DAY > self.now}
        known = self.circuits.get(key)
        if data.get("trial"):
            self.need(known and known["trial"] == action, "a circuit opens again by an action that did not try it")
            self.need(self.outcomes.get(action) in ("failed", "unknown"), "a trial that did not fail opens a circuit")
        else:
            self.need(known is None, "an open circuit opens")
            self.need(self.outcomes.get(action) == "failed", "what did not fail opens a circuit")
            # The last failure opens it in place of being counted.
            entries = self.windows.pop(key, [])
            self.need(len(entries) >= data["failures"] - 1, f"{len(entries) + 1} failures open a circuit, and the record says {data['failures']}")
        self.circuits[key] = {"until": instant(data["until"]), "trial": None, "expires": None}

    def on_circuit_closed(self, record, data):
        known = self.circuits.pop((data["limit"], data["circuit"]), None)
        self.need(known is not None, "a closed circuit closes")
        if "action_id" in data and known:
            self.need(known["trial"] == data["action_id"], "a circuit closes by an action that did not try it")
            self.need(self.outcomes.get(data["action_id"]) == "succeeded", "a trial that did not succeed closes a circuit")

    def end(self):
        if self.owed:
            self.faults.append(f"{self.owed}: decided, and nothing says so")
        for approval in self.approvals.values():
            if approval["state"] == "open" and instant(approval["data"]["deadline"]) + DAY < self.last["ts"]:
                self.faults.append(f"{approval['data']['approval']}: open a day after its deadline")


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    model = Model()
    with open(arguments[0], encoding="utf-8", newline="\n") as lines:
        for line in lines:
            model.record(line)
    model.end()
    for fault in model.faults:
        print(f"FAULT {fault}")
    told = ", ".join(f"{count} {name}" for name, count in model.counts.items())
    print(f"{'FAULTS' if model.faults else 'HOLDS'}: {model.last['seq'] + 1 if model.last else 0} records, {told}")
    return 1 if model.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
