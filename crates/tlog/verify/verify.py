#!/usr/bin/env python3
"""Verifies an export of a Countersign ledger: python3 verify.py VKEY DIR [--older CHECKPOINT_FILE] [--witness VKEY]...

VKEY is the log's key as you pinned it, under whichever of its names, never one from the export. Needs nothing but Python 3.8 and its standard
library, no network, and shares no code with the product. Every --witness must have cosigned the checkpoint. Exit status: 0 if everything holds, 1 if not.
"""
import base64, hashlib, io, itertools, json, os, re, sys

class Bad(Exception):
    """Why the export is refused."""

def need(holds, what):
    if not holds: raise Bad(what)

def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def leaf_hash(leaf): return sha(b"\0", leaf)                        # RFC 6962, section 2.1
def node(left, right): return sha(b"\1", left, right)

def unb64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64 in a second spelling")
    return raw

def unhash(text):
    raw = unb64(text)
    need(len(raw) == 32, "not a hash")
    return raw

def decimal(text):
    need(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < 2**64, "not a plain decimal number")
    return int(text)

# --- Ed25519, RFC 8032: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z ---
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P

def mul(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1: q = add(q, p)
        p, n = add(p, p), n >> 1
    return q

def encode(p):
    inverse = pow(p[2], P - 2, P)
    return (p[1] * inverse % P | (p[0] * inverse % P & 1) << 255).to_bytes(32, "little")

def decode(raw):
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square: x = x * ROOT % P
    need(y < P and x * x % P == square and (x or not sign), "not a point of Ed25519")
    if x & 1 != sign: x = P - x
    return x, y, 1, x * y % P

def small(p): return encode(mul(8, p)) == encode((0, 1, 1, 0))
BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))

def ed25519(public, message, signature):
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L: return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    minus = (lambda a: (P - a[0], a[1], a[2], P - a[3]))(decode(public))
    r = add(mul(s, BASE), mul(h, minus))
    return encode(r) == signature[:32] and not small(r)

# --- keys, notes, checkpoints: c2sp.org/signed-note, c2sp.org/tlog-checkpoint ---
def name_ok(name):
    return name and not any(c.isspace() or c == "+" or ord(c) < 32 or 127 <= ord(c) < 160 for c in name)

def parse_key(vkey, kind=1):
    name, key_id, key = vkey.rstrip().split("+", 2)
    key = unb64(key)
    need(name_ok(name) and len(key) == 33 and key[0] == kind, "not a verifying key `name+keyid+base64`")
    need(sha(name.encode(), b"\n", key)[:4].hex() == key_id, "the key id does not belong to name and key")
    need(not small(decode(key[1:])), "the key is not a sound Ed25519 key")
    return name, bytes.fromhex(key_id), key[1:]

def open_checkpoint(pinned, raw, foreign):
    """Gives origin, size and root. A log keeps its key when an epoch gives it another name."""
    note = raw.decode("utf-8")
    need(note.endswith("\n") and not re.search("[\0-\x09\x0b-\x1f]", note), "not a signed note")
    text, blank, signatures = note.rpartition("\n\n")
    need(blank and signatures, "it has no signature")
    text, ours, lines = text + "\n", 0, signatures[:-1].split("\n")
    need(len(lines) <= 100, "it has too many signatures")
    stated = text[:-1].split("\n")
    need(len(stated) >= 3 and all(stated) and name_ok(stated[0]), "not a checkpoint")
    key = stated[0], sha(stated[0].encode(), b"\n\1", pinned[2])[:4], pinned[2]
    for line in lines:
        dash, name, blob = line.split(" ")
        blob = unb64(blob)
        need(dash == "\u2014" and name_ok(name) and len(blob) > 4, "a signature line is malformed")
        if (name, blob[:4]) == key[:2]:
            need(ed25519(key[2], text.encode(), blob[4:]), "the signature does not verify: text or signature was changed")
            ours += 1
        else:
            foreign.append(name)
    need(ours, "no signature by the key `%s`" % key[0])
    return stated[0], decimal(stated[1]), unhash(stated[2])

def cosigned(key, raw, foreign):
    """When the witness cosigned a checkpoint that was opened before, or nothing: c2sp.org/tlog-cosignature."""
    text, _, signatures = raw.decode("utf-8").rpartition("\n\n")
    times = []
    for line in signatures[:-1].split("\n"):
        _, name, blob = line.split(" ")
        blob = unb64(blob)
        if (name, blob[:4]) == key[:2]:
            time = int.from_bytes(blob[4:12], "big")
            message = "cosignature/v1\ntime %d\n%s\n" % (time, text)
            need(len(blob) == 76 and time < 2**63 and ed25519(key[2], message.encode(), blob[12:]),
                 "the signature by the key `%s` does not verify: text or signature was changed" % name)
            times.append(time)
            foreign.remove(name)
    return max(times, default=None)

# --- proofs: RFC 9162, sections 2.1.3.2 and 2.1.4.2 ---
def walk(proof, at, last, left, right):
    """Climbs from a node to the roots of the smaller (left) and the larger tree (right)."""
    for sibling in proof:
        need(last, "the proof is too long")
        if at & 1 or at == last:
            left, right = node(sibling, left), node(sibling, right)
            while at and not at & 1: at, last = at >> 1, last >> 1
        else:
            right = node(right, sibling)
        at, last = at >> 1, last >> 1
    need(last == 0, "the proof is too short")
    return left, right

def check_consistency(old, old_root, new, new_root, proof):
    if old in (0, new):
        need(not proof and old_root == (new_root if old else sha()), "the consistency proof does not hold")
        return
    if old & (old - 1): first, proof = proof[0], proof[1:]
    else: first = old_root
    at, last = old - 1, new - 1
    while at & 1: at, last = at >> 1, last >> 1
    need(walk(proof, at, last, first, first) == (old_root, new_root), "the consistency proof does not hold")

# --- canonical JSON: the profile of records, and RFC 8785 for disclosed values ---
def refuse(text): raise Bad("the number or word `%s` has no place here" % text[:40])

def profile(value, depth=1):
    if isinstance(value, (dict, list)):
        need(depth <= 32, "nested too deep")
        need(type(value) is list or all(re.fullmatch("[a-z0-9_$]+", key) for key in value), "a key outside of [a-z0-9_$]")
        for item in value.values() if type(value) is dict else value: profile(item, depth + 1)
    else:
        need(value is not None and (type(value) is not int or abs(value) < 2**53), "null, or an integer beyond 2^53-1")

def parse_record(leaf):
    need(len(leaf) <= 16384, "longer than a leaf may be")
    text = leaf.decode("utf-8")
    record = json.loads(text, parse_float=refuse, parse_constant=refuse)
    need(type(record) is dict, "not an object")
    profile(record)
    again = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    need(again == text, "not in canonical form")
    return record

def es6(number):
    """A number as ECMAScript writes it: Python's shortest digits, with the point put where ECMAScript puts it."""
    number = float(number)
    need(abs(number) < float("inf"), "a number beyond the range of a double")
    if number == 0: return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)        # the number is 0.DIGITS * 10^point
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21: text = digits.ljust(point, "0")
    elif 0 < point <= 21: text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0: text = "0." + "0" * -point + digits
    else: text = digits[0] + ("." + digits[1:] if digits[1:] else "") + "e%+d" % (point - 1)
    return "-" + text if number < 0 else text

def jcs(value, depth=0):
    need(depth <= 100, "nested too deep")
    if type(value) is dict:
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(jcs(key) + ":" + jcs(value[key], depth + 1) for key in keys) + "}"
    if type(value) is list: return "[" + ",".join(jcs(item, depth + 1) for item in value) + "]"
    if type(value) in (int, float): return es6(value)
    return json.dumps(value, ensure_ascii=False)                    # strings, true, false, null

# --- the bundle ---
def set_hash(files): return sha(*sorted(sha(file) for file in files))

def lines_in(file):
    for line in file:
        need(line.endswith(b"\n"), "it does not end in a newline")
        yield line[:-1].decode("utf-8")

BLOCK = 1024                                                        # records that are read again together

def frame(entries):
    """The next leaf; nothing at the end."""
    length = entries.read(2)
    if not length: return None
    leaf = entries.read(int.from_bytes(length, "big"))
    need(len(length) == 2 and len(leaf) == int.from_bytes(length, "big"), "it is cut short")
    return leaf

class Leaves:
    """Leaves by index: few are held, the others are read again, block by block, and have to be what they were."""
    def __init__(self, entries, begins, keep):
        self.entries, self.begins, self.count, self.keep, self.held = entries, begins, begins, keep, {}
        self.marks, self.at, self.block = [], None, []

    def push(self, leaf, at):
        if (self.count - self.begins) % BLOCK == 0: self.marks.append((at, hashlib.sha256()))
        self.marks[-1][1].update(leaf)
        if self.count in self.keep: self.held[self.count] = leaf
        self.count += 1

    def get(self, index):
        if index in self.held or not self.begins <= index < self.count: return self.held.get(index)
        block, place = divmod(index - self.begins, BLOCK)
        if self.at != block:
            at, digest = self.marks[block]
            self.entries.seek(at)
            self.block = [frame(self.entries) for _ in range(min(BLOCK, self.count - self.begins - block * BLOCK))]
            need(None not in self.block and sha(*self.block) == digest.digest(), "entries was changed while it was verified")
            self.at = block
        return self.block[place]

PLACES = [r"checkpoint|checkpoint\.old|consistency\.txt|entries|records\.jsonl|disclosures\.jsonl|README\.md|verify\.py",
          r"pruned\.hashes|first\.leaf|checkpoint\.witnessed",
          r"proofs/(0|[1-9][0-9]{0,19})\.(tlog-proof|leaf)", r"schemas/[A-Za-z0-9_$][A-Za-z0-9._$-]*\.json",
          r"snapshots/[0-9a-f]{64}/[A-Za-z0-9_$][A-Za-z0-9._$-]*\.yaml"]

def inventory(names):
    for name in names: need(any(re.fullmatch(place, name) for place in PLACES), "`%s`: stray file" % name)
    wanted = {"checkpoint", "entries", "records.jsonl"}
    if {"checkpoint.old", "consistency.txt"} & names: wanted |= {"checkpoint.old", "consistency.txt"}
    if {"pruned.hashes", "first.leaf"} & names: wanted |= {"pruned.hashes", "first.leaf"}
    for stem in {name.rpartition(".")[0] for name in names if name.startswith("proofs/")}:
        decimal(stem[7:])
        wanted |= {stem + ".tlog-proof", stem + ".leaf"}
    need(wanted <= names, "missing: %s" % sorted(wanted - names))

def end_of(value):
    need(type(value["size"]) is int and value["size"] >= 0, "a size that is none")
    need(re.fullmatch("[0-9a-f]{64}", value["root"]), "a root that is none")
    return value["log"], value["size"], bytes.fromhex(value["root"])

def open_epoch(record, before, size, root):
    """The one kind of record that gives the log another name. Gives that, where the log before ended, and what is lost."""
    data = record["data"]
    need(end_of(data["previous"]) == (before, size, root), "it opens an epoch that follows on other records")
    stem, _, number = before.rpartition("/")
    need(stem and type(data["epoch"]) is int and data["epoch"] > decimal(number), "not a later epoch")
    need(data["log"] == record["log"] == "%s/%d" % (stem, data["epoch"]), "not an epoch of this log")
    need(parse_key(data["vkey"])[0] == data["log"], "its key is of another log")
    return data["epoch"], before, size, end_of(data["mark"]) if "mark" in data else None

def stand(earlier, head, epochs, root):
    """Holds an earlier checkpoint against the export. Gives what is lost of it, in words, or nothing."""
    origin, size, its_root = earlier
    kept = [end for _, log, end, _ in epochs if log == origin] or [head[1]] * (origin == head[0])
    if kept and size <= kept[0]:
        need(root == its_root, "history was rewritten: the first %d records have another root" % size)
        return None
    for number, _, _, lost in epochs:
        if lost and lost[0] == origin and (size < lost[1] or (size, its_root) == lost[1:]):
            return "it covers %d records of `%s`; those after the first %d are lost, as epoch %d says" % (
                size, origin, (kept + [0])[0], number)
    raise Bad("it covers %d records of `%s`, which the export does not have" % (size, origin))

def check_records(entries, jsonl, sizes, pruned, first, keep):
    """Gives the leaves by index, the snapshots that they cite, the roots at the wanted sizes, the log's names and epochs,
    and how many records there are."""
    cited, stack, roots, at, count = set(), [], {}, 0, 0
    names, epochs = [first["log"]] if first else [], []
    def root():
        hashes = [h for _, h in stack]
        top = hashes.pop() if hashes else sha()
        while hashes: top = node(hashes.pop(), top)
        return top
    def push(leaf):
        stack.append((1, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:      # two perfect subtrees of one size make a larger
            (size, right), (_, left) = stack.pop(), stack.pop()
            stack.append((2 * size, node(left, right)))
    if 0 in sizes: roots[0] = root()
    for count, leaf in enumerate(pruned, 1):                        # of these there are only hashes
        push(leaf)
        if count in sizes: roots[count] = root()
    leaves = Leaves(entries, count, keep)
    while True:
        try:
            leaf = frame(entries)
            if leaf is None: break
            record = parse_record(leaf)
            need(type(record.get("seq")) is int and record["seq"] == count, "its `seq` is not its index")
            if not names: names.append(record["log"])
            elif record.get("type") == "epoch.opened":
                epochs.append(open_epoch(record, names[-1], count, root()))
                names.append(record["log"])
            need(record["log"] == names[-1] and type(names[-1]) is str, "its `log` is not the one that it stands in")
            need(jsonl.read(len(leaf) + 1) == leaf + b"\n", "records.jsonl has another line")
            if "snapshot" in record:
                need(re.fullmatch("sha256:[0-9a-f]{64}", record["snapshot"]), "its `snapshot` is not a hash")
                cited.add(record["snapshot"][7:])
        except Exception as error:
            raise Bad("record %d: %s" % (count, error))
        leaves.push(leaf, at)
        at += len(leaf) + 2
        count += 1
        push(leaf_hash(leaf))
        if count in sizes: roots[count] = root()
    need(not jsonl.read(1), "records.jsonl goes on after the last record")
    return leaves, cited, roots, names, epochs, count

def check_proof(key, index, raw, leaf, foreign):
    head, _, checkpoint = raw.decode("utf-8").partition("\n\n")
    lines = head.split("\n")
    need(lines[0] == "c2sp.org/tlog-proof@v1" and lines[1] == "index %d" % index, "not a tlog-proof of this index")
    origin, size, root = open_checkpoint(key, checkpoint.encode(), foreign)
    need(index < size, "the index is not below the size")
    need(walk([unhash(line) for line in lines[2:]], index, size - 1, leaf, leaf)[1] == root, "the proof does not hold")
    return origin, size, root

def check_disclosure(line, leaves):
    given = json.loads(line, parse_constant=refuse)
    need(jcs(given) == line, "not canonical JSON (RFC 8785)")
    need(type(given) is dict and set(given) == {"index", "path", "salt", "value"}, "not the four fields")
    leaf = leaves.get(given["index"]) if type(given["index"]) is int else None
    need(leaf is not None, "there is no such record")
    need(re.fullmatch("[0-9a-f]{64}", given["salt"]), "`salt` is not 32 bytes in hex")
    place = json.loads(leaf)
    try:
        for step in given["path"].split("."): place = place[decimal(step)] if type(place) is list else place[step]
    except (KeyError, IndexError, TypeError):
        raise Bad("the record has no commitment at `path`")
    commit = sha(b"countersign-commit-v1\0", bytes.fromhex(given["salt"]), jcs(given["value"]).encode("utf-8"))
    need(type(place) is dict and place.get("$commit") == commit.hex(), "salt and value do not open the commitment")

def verify(vkey, names, read, older=None, witnesses=(), stream=None):
    """Checks everything; `read(name)` gives a file's bytes, `stream(name)` an open file, for those that grow with the ledger. Every one of `witnesses` must have cosigned. Gives lines on what was checked and what was not covered."""
    where, stream = "VKEY", stream or (lambda name: io.BytesIO(read(name)))
    try:
        names, foreign, checked = set(names), [], []
        key = parse_key(vkey)
        where = "WITNESS"
        witnesses = sorted({parse_key(witness, 4) for witness in witnesses})
        where = "files"
        inventory(names)
        where = "checkpoint"
        head = origin, size, root = open_checkpoint(key, read(where), foreign)
        earlier, lost, seen = {}, [], {}
        for witness in witnesses: seen[witness] = [(where, size, cosigned(witness, read(where), foreign))]
        if "checkpoint.witnessed" in names:
            where = "checkpoint.witnessed"
            early = earlier[where] = open_checkpoint(key, read(where), foreign)
            for witness in witnesses: seen[witness].append((where, early[1], cosigned(witness, read(where), foreign)))
        if "checkpoint.old" in names:
            where = "checkpoint.old"
            _, old, old_root = earlier[where] = open_checkpoint(key, read(where), foreign)
        if older is not None:
            where = "older checkpoint"
            earlier[where] = open_checkpoint(key, older, foreign)
        proofs = sorted(int(name[7:-5]) for name in names if re.fullmatch(r"proofs/.*\.leaf", name))
        for index in proofs:
            where = "proofs/%d.tlog-proof" % index
            earlier[where] = check_proof(key, index, read(where), leaf_hash(read("proofs/%d.leaf" % index)), foreign)
        hashes, begins, first, opened = iter(()), 0, None, None
        if "pruned.hashes" in names:
            where = "first.leaf"
            first = read(where)
            opened = parse_record(first)
            hashes = map(unhash, lines_in(stream("pruned.hashes")))
            start = next(hashes, None)
            need(leaf_hash(first) == start, "it does not have the first hash in `pruned.hashes`")
            need(type(opened.get("seq")) is int and opened["seq"] == 0, "its `seq` is not its index")
            need(type(opened["log"]) is str, "its `log` is not a text")
            hashes = itertools.chain([start], hashes)
        where = "entries"
        sizes = {size} | {early for _, early, _ in earlier.values()}
        leaves, cited, roots, logs, epochs, count = check_records(
            stream("entries"), stream("records.jsonl"), sizes, hashes, opened, {0, *proofs})
        need(logs[-1:] in ([], [origin]), "their `log` is not the origin of the checkpoint")
        need(count == size, "it holds %d records, the checkpoint covers %d" % (count, size))
        begins = leaves.begins
        if begins:
            leaves.held[0] = first
            checked.append("pruned.hashes, first.leaf: hashes of the first %d records, under the same root" % begins)
        need(roots[size] == root, "the root over the records is not the one in `checkpoint`: records were changed")
        checked.append("checkpoint: %d records of `%s`, signature holds" % (size, origin))
        checked.append("entries, records.jsonl: the same canonical records in order, their root is the signed one")
        for where, early in earlier.items():
            missing = stand(early, head, epochs, roots.get(early[1]))
            if missing and where == "checkpoint.witnessed": seen = {witness: seen[witness][:1] for witness in seen}
            if missing: lost.append("%s: %s" % (where, missing))
            else: checked.append("%s: the first %d records are unchanged" % (where, early[1]))
        for witness in witnesses:
            where, of = "checkpoint", [found for found in seen[witness] if found[2] is not None]
            need(of, "no cosignature by the witness `%s`" % witness[0])
            checked.append("%s: the witness `%s` cosigned its %d records, %d seconds after the beginning of 1970" % (
                of[0][0], witness[0], of[0][1], of[0][2]))
            if of[0][1] < size: lost.append("the last %d records: the witness `%s` had seen the first %d when it cosigned" % (
                size - of[0][1], witness[0], of[0][1]))
        where = "VKEY"
        need(not logs or key[0] in logs, "it is of another log than the export")
        for number, log, end, mark in epochs:
            if mark and mark[1] > (end if mark[0] == log else 0):
                lost.append("epoch %d was opened at record %d: the log `%s` had %d records before, and what is missing of "
                            "them is lost" % (number, end, mark[0], mark[1]))
        if "consistency.txt" in names:
            where = "consistency.txt"
            proof = [unhash(line) for line in lines_in(stream(where))]
            check_consistency(old, old_root, size, root, proof)
            checked.append("consistency.txt: its proof holds")
        for index in proofs:
            where = "proofs/%d.leaf" % index
            need(leaves.get(index) == read(where), "it is not the record in `entries`")
        if "disclosures.jsonl" in names:
            where = "disclosures.jsonl"
            for number, line in enumerate(lines_in(stream(where)), 1):
                where = "disclosures.jsonl, line %d" % number
                check_disclosure(line, leaves)
            checked.append("disclosures.jsonl: all open their commitments")
        schemas = [name for name in names if name.startswith("schemas/")]
        for where in schemas: jcs(json.loads(read(where).decode("utf-8"), parse_constant=refuse)).encode("utf-8")
        where = "schemas"
        need(leaves.count and set_hash(map(read, schemas)).hex() == json.loads(leaves.get(0))["data"]["schemas"],
             "the set is not the one that record 0 states in `data.schemas`")
        checked.append("schemas/: %d files, the set that record 0 states" % len(schemas))
        snapshots = {name.split("/")[1] for name in names if name.startswith("snapshots/")}
        for snapshot in sorted(snapshots | cited):
            where = "snapshots/" + snapshot
            need(snapshot in snapshots, "a record cites this snapshot, which is missing")
            files = [read(name) for name in names if name.startswith(where + "/")]
            need(set_hash(files).hex() == snapshot, "its files do not have the hash that the folder is named after")
        checked.append("snapshots/: %d policy snapshots, all that records cite" % len(snapshots))
    except Exception as error:
        raise Bad("%s: %s" % (where, str(error) or type(error).__name__))
    open_ends = ["%s: no hash covers it" % name for name in ("README.md", "verify.py") if name in names]
    open_ends.append("the names of files under snapshots/ and schemas/: only their bytes are covered")
    open_ends += ["snapshots/%s: no record cites it" % snapshot for snapshot in sorted(snapshots - cited)]
    if begins: open_ends.append("what the first %d records say: only their hashes are here" % begins)
    if foreign: open_ends.append("%d signatures by other keys: not checked" % len(foreign))
    if older is None: open_ends.append("no --older checkpoint: a history rewritten and signed anew is not seen")
    open_ends += lost
    open_ends.append("commitments without a disclosure stay closed")
    open_ends.append("whether reported facts are true, and whether decisions follow from the cited policies")
    return checked, open_ends

def main(arguments):
    older, witnesses, more = None, [], arguments[2:]
    if len(arguments) < 2 or len(more) % 2: sys.exit(__doc__.split("\n")[0])
    for flag, value in zip(more[::2], more[1::2]):
        if flag == "--older" and older is None:
            with open(value, "rb") as file: older = file.read()
        elif flag == "--witness": witnesses.append(value)
        else: sys.exit(__doc__.split("\n")[0])
    def read(name):
        with open(os.path.join(arguments[1], *name.split("/")), "rb") as file: return file.read()
    def stream(name): return open(os.path.join(arguments[1], *name.split("/")), "rb", 1 << 20)
    names = set()
    for folder, folders, files in os.walk(arguments[1]):
        for name in files + folders:
            path = os.path.join(folder, name)
            stray = os.path.islink(path) or name in files and not os.path.isfile(path)
            if stray: sys.exit("FAILED: `%s`: not a regular file" % path)
            if name in files: names.add(os.path.relpath(path, arguments[1]).replace(os.sep, "/"))
    try:
        checked, open_ends = verify(arguments[0], names, read, older, witnesses, stream)
    except Bad as error:
        sys.exit("FAILED: " + str(error).replace("\n", " "))
    for line in checked: print("checked      " + line)
    for line in open_ends: print("not covered  " + line)
    print("OK")

if __name__ == "__main__":
    main(sys.argv[1:])
