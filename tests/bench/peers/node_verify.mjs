// Verifies bundles with sigstore-js and prints a list of milliseconds for each: `node node_verify.mjs DOCUMENTS ROUNDS`,
// in a folder where @sigstore/verify is installed. What it refuses has an empty list.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const { documents, keys } = JSON.parse(readFileSync(process.argv[2]));
const rounds = Number(process.argv[3]);
const publicKeys = Object.fromEntries(
  Object.entries(keys).map(([hint, pem]) => [hint, { publicKey: createPublicKey(pem), validFor: () => true }]),
);
const verifiers = new Map();

function verifierOf(root) {
  if (!verifiers.has(root)) {
    const material = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(root)), (hint) => publicKeys[hint]);
    verifiers.set(root, new Verifier(material));
  }
  return verifiers.get(root);
}

const times = documents.map(({ bundle, root }) => {
  const verifier = verifierOf(root);
  const measured = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = process.cpuUsage();
    try {
      verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(bundle))));
    } catch {
      return [];
    }
    const { user, system } = process.cpuUsage(start);
    measured.push((user + system) / 1e3);
  }
  return measured;
});
console.log(JSON.stringify(times));
