// Holds `assets/verify.js` against RFC 6962 as its section 2.1 defines trees and paths: by recursion, which it does not use.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
const { climb, leafHash, readCheckpoint, verify } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((part) => Buffer.from(part)))).digest();
const split = (count) => { let half = 1; while (half * 2 < count) half *= 2; return half; };
const tree = (leaves) => leaves.length === 1 ? sha256([0], leaves[0]) : sha256([1], tree(leaves.slice(0, split(leaves.length))), tree(leaves.slice(split(leaves.length))));
const path = (at, leaves) => {
  if (leaves.length === 1) return [];
  const half = split(leaves.length);
  return at < half ? [...path(at, leaves.slice(0, half)), tree(leaves.slice(half))] : [...path(at - half, leaves.slice(half)), tree(leaves.slice(0, half))];
};
const hex = (bytes) => Buffer.from(bytes).toString("hex");

// The leaves and the root that Certificate Transparency has tested with from the beginning.
const known = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
assert.equal(hex(tree(known.map((leaf) => Buffer.from(leaf, "hex")))), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");

for (let size = 1; size <= 40; size += 1) {
  const leaves = Array.from({ length: size }, (_, at) => Buffer.from(`record ${at}`));
  const root = hex(tree(leaves));
  for (let at = 0; at < size; at += 1) {
    const hashes = path(at, leaves);
    const leaf = await leafHash(leaves[at]);
    const steps = await climb(leaf, at, size, hashes);
    assert.equal(hex(steps.at(-1)?.hash ?? leaf), root, `${at} of ${size}`);
    await assert.rejects(climb(leaf, at, size, [...hashes, leaf]), `${at} of ${size}, one hash more`);
    if (size > 1) {
      const other = await climb(leaf, at, size, hashes).then((steps) => hex(steps.at(-1).hash));
      const forged = hashes.map((hash, level) => level === 0 ? sha256(hash) : hash);
      assert.notEqual(hex((await climb(leaf, at, size, forged)).at(-1).hash), other);
      await assert.rejects(climb(leaf, at, size, hashes.slice(1)), `${at} of ${size}, one hash less`);
    }
  }
}

// A whole page's worth: record, proof, signed checkpoint, key.
const leaves = Array.from({ length: 11 }, (_, at) => Buffer.from(`{"seq":${at}}`));
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const key = Buffer.concat([Buffer.from([1]), publicKey.export({ type: "spki", format: "der" }).subarray(-32)]);
const name = "log/1";
const id = sha256(Buffer.from(`${name}\n`), key).subarray(0, 4);
const signed = `${name}\n11\n${tree(leaves).toString("base64")}\n`;
const line = `— ${name} ${Buffer.concat([id, sign(null, Buffer.from(signed), privateKey)]).toString("base64")}\n`;
const page = {
  record: leaves[6].toString(), index: 6, leaf: hex(sha256([0], leaves[6])), hashes: path(6, leaves).map(hex),
  checkpoint: `${signed}\n${line}— witness.example AAAAAAAA\n`, vkeys: [`${name}+${hex(id)}+${key.toString("base64")}`],
};
const verdicts = async (changed) => (await verify({ ...page, ...changed })).map((step) => step.good);
assert.deepEqual(readCheckpoint(page.checkpoint).signatures.map((one) => one.name), [name, "witness.example"]);
const fine = await verify(page);
assert.ok(fine.every((step) => step.good !== false) && fine.filter((step) => step.good).length === 3 + page.hashes.length, JSON.stringify(fine));
assert.match(fine.at(-1).detail, /witness\.example/);
for (const changed of [
  { record: page.record.replace("6", "7") },
  { leaf: hex(sha256("x")) },
  { index: 5 },
  { hashes: page.hashes.slice(1) },
  { checkpoint: page.checkpoint.replace("\n11\n", "\n12\n") },
  { checkpoint: page.checkpoint.replace(line, "") },
  { vkeys: [] },
  { vkeys: [page.vkeys[0].replace("log/1+", "log/2+")] },
]) {
  assert.ok((await verdicts(changed)).includes(false), JSON.stringify(changed));
}
const other = generateKeyPairSync("ed25519").privateKey;
const forged = line.replace(/[^ ]*\n$/, `${Buffer.concat([id, sign(null, Buffer.from(signed), other)]).toString("base64")}\n`);
assert.ok((await verdicts({ checkpoint: `${signed}\n${forged}` })).includes(false));
