// Proves in this browser that a record is in the ledger: hashes as in RFC 6962, signatures as in c2sp.org/signed-note. What
// it works with stands on the page; the server is not asked again and says nothing about the result.

const utf8 = new TextEncoder();
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const base64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const joined = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
};
const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export const leafHash = (record) => sha256(joined([0], record));
export const nodeHash = (left, right) => sha256(joined([1], left, right));

// From a leaf to the root, by the hashes beside the way: RFC 9162, section 2.1.3.2. Gives each step, or throws.
export async function climb(leaf, index, size, hashes) {
  if (!(Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size)) {
    throw new Error(`record ${index} is not among ${size}`);
  }
  let [at, last, hash] = [index, size - 1, leaf];
  const steps = [];
  for (const beside of hashes) {
    if (last === 0) throw new Error("the proof has more hashes than the tree has levels");
    const fromLeft = at % 2 === 1 || at === last;
    hash = fromLeft ? await nodeHash(beside, hash) : await nodeHash(hash, beside);
    if (fromLeft) while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    steps.push({ side: fromLeft ? "left" : "right", beside, hash });
  }
  if (last !== 0) throw new Error("the proof has too few hashes");
  return steps;
}

// A checkpoint: what is signed, what it states, and who signed.
export function readCheckpoint(text) {
  const cut = text.lastIndexOf("\n\n");
  if (cut < 0) throw new Error("the checkpoint is no signed note");
  const signed = text.slice(0, cut + 1);
  const [origin, size, root] = signed.split("\n");
  if (!/^(0|[1-9][0-9]*)$/.test(size ?? "")) throw new Error("the checkpoint states no size");
  const signatures = text.slice(cut + 2).split("\n").filter((line) => line.startsWith("— ")).map((line) => {
    const [, name, blob] = line.split(" ");
    const bytes = base64(blob ?? "");
    return { name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
  });
  return { signed, origin, size: Number(size), root: base64(root), signatures };
}

// A verifying key `name+id+base64`: its id has to be that of name and key.
export async function readKey(vkey) {
  const [name, id, text] = [vkey.split("+")[0], vkey.split("+")[1], vkey.split("+").slice(2).join("+")];
  const bytes = base64(text ?? "");
  if (bytes[0] !== 1 || bytes.length !== 33) throw new Error("the key is no Ed25519 key");
  const own = hex((await sha256(joined(utf8.encode(`${name}\n`), bytes))).slice(0, 4));
  if (own !== id) throw new Error("the id of the key is not that of its name and bytes");
  return { name, id, key: bytes.slice(1) };
}

// `true` or `false`; `null` where this browser cannot check Ed25519.
async function isSigned(key, signature, signed) {
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return null;
  }
  return crypto.subtle.verify({ name: "Ed25519" }, imported, signature, utf8.encode(signed));
}

// All of it, as sentences: `{ good, text, detail }`. `good` is `null` where something could not be checked here.
export async function verify({ record, index, leaf, hashes, checkpoint, vkeys }) {
  const told = [];
  const tell = (good, text, detail) => { told.push({ good, text, detail }); return good; };
  if (!globalThis.crypto?.subtle) {
    tell(null, "This browser computes no hashes at this address: it needs https, or localhost.");
    return told;
  }
  try {
    const stated = readCheckpoint(checkpoint);
    const own = await leafHash(utf8.encode(record));
    const same = hex(own) === leaf;
    tell(same, same ? "The record's bytes have the leaf hash that the ledger states." : "The record's bytes have another leaf hash than the ledger states.", `SHA-256(0x00 ‖ record) = ${hex(own)}`);
    const steps = await climb(own, index, stated.size, hashes.map(unhex));
    for (const [at, step] of steps.entries()) {
      tell(true, `Level ${at + 1}: hashed with its neighbour on the ${step.side}.`, step.side === "left" ? `SHA-256(0x01 ‖ ${hex(step.beside)} ‖ …) = ${hex(step.hash)}` : `SHA-256(0x01 ‖ … ‖ ${hex(step.beside)}) = ${hex(step.hash)}`);
    }
    const root = hex(steps.at(-1)?.hash ?? own);
    const reached = root === hex(stated.root);
    tell(reached, reached ? `That is the root of the checkpoint over ${stated.size} records: the record is in the ledger, at place ${index}.` : "That is not the root which the checkpoint states: the record is not in that ledger at that place.", `root ${hex(stated.root)}`);
    await tellSignatures(stated, vkeys, tell);
  } catch (error) {
    tell(false, `The proof does not hold: ${error.message}.`);
  }
  return told;
}

async function tellSignatures(stated, vkeys, tell) {
  const keys = await Promise.all(vkeys.map(readKey));
  let known = 0;
  for (const { name, id, signature } of stated.signatures) {
    const key = keys.find((key) => key.name === name && key.id === id);
    if (!key) continue;
    known += 1;
    const good = await isSigned(key.key, signature, stated.signed);
    tell(good, good === null ? "This browser cannot check Ed25519; `countersign audit verify` does." : good ? "The checkpoint is signed by the log's key." : "The checkpoint's signature is not by the log's key: text or signature was changed.", `${name}+${id}`);
  }
  if (known === 0) tell(false, "No signature of the checkpoint is by a key of the log.");
  const others = new Set(stated.signatures.filter(({ name, id }) => !keys.some((key) => key.name === name && key.id === id)).map(({ name }) => name));
  if (others.size) tell(null, "It also carries signatures by others, which are not checked here.", [...others].join(", "));
}

// On the page of a record.
async function show(place) {
  const { record, index, leaf, hashes, checkpoint, vkeys } = place.dataset;
  const words = (text) => text.split(" ").filter(Boolean);
  const told = await verify({ record, index: Number(index), leaf, hashes: words(hashes), checkpoint, vkeys: words(vkeys) });
  const bad = told.some((step) => step.good === false);
  const proven = !bad && told.some((step) => step.good && step.text.startsWith("That is the root"));
  const verdict = document.createElement("p");
  const badge = document.createElement("span");
  badge.className = `badge ${bad ? "bad" : proven ? "good" : "warn"}`;
  badge.textContent = bad ? "does not hold" : proven ? "proven in this browser" : "not proven here";
  verdict.append(badge);
  const list = document.createElement("ol");
  list.className = "proof";
  for (const { good, text, detail } of told) {
    const item = document.createElement("li");
    const mark = document.createElement("strong");
    mark.className = good ? "diff-add" : good === false ? "bad-text" : "warn-text";
    mark.textContent = good ? "yes: " : good === false ? "no: " : "not checked: ";
    item.append(mark, text);
    if (detail) {
      const code = document.createElement("code");
      code.textContent = detail;
      item.append(document.createElement("br"), code);
    }
    list.append(item);
  }
  place.replaceChildren(verdict, list);
}

if (typeof document !== "undefined") for (const place of document.querySelectorAll("[data-verify]")) show(place);
