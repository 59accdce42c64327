"""Ask Countersign before acting: decide, wait for a person, redeem the permit, report. Standard library only."""
import json
import os
import sys
import urllib.error
import urllib.request
import uuid


class Refused(Exception):
    """The action may not run. The text says why."""


class Countersign:
    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key

    def call(self, method, path, body=None, timeout=75):
        """One call. Calls that change something carry an idempotency key, so that they can be repeated safely."""
        headers = {"Authorization": "Bearer " + self.key, "Content-Type": "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            problem = json.load(error)  # RFC 9457: code, detail, sometimes a hint
            raise Refused("%s: %s" % (problem["code"], problem["detail"])) from None

    def permitted(self, action, patience=3600):
        """Decides an action and waits for a person where one has to decide. Only `status` matters to the caller."""
        answer = self.call("POST", "/v1/actions", action)
        while answer["status"] == "pending" and patience > 0:
            answer = self.call("GET", "/v1/actions/%s?wait=60s" % answer["id"])
            patience -= 60
        if answer["status"] != "permitted":
            reasons = "; ".join(reason["message"] for reason in answer["reasons"])
            raise Refused("%s: %s" % (answer["reason_code"] or answer["status"], reasons))
        return answer

    def run(self, action, tool):
        """Runs `tool(action)` if it may run: permit first, outcome after."""
        answer = self.permitted(action)
        self.call("POST", "/v1/permits/redeem", {"permit": answer["permit"], "action": action})
        outcome = {"status": "failed"}
        try:
            result = tool(action)
            outcome = {"status": "succeeded"}
            return result
        finally:
            self.call("POST", "/v1/actions/%s/outcome" % answer["id"], outcome)


if __name__ == "__main__":
    countersign = Countersign(os.environ["COUNTERSIGN_SERVER"], os.environ["COUNTERSIGN_KEY"])
    try:
        print(countersign.run(json.loads(sys.argv[1]), lambda action: "ran " + (action.get("tool") or action["action"])))
    except Refused as why:
        sys.exit("refused: %s" % why)
