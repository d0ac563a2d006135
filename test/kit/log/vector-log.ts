import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { signCheckpoint } from '../../../src/crypto/log/checkpoint.ts';
import { TreeAccumulator } from '../../../src/crypto/log/merkle.ts';
import { verifierKeyText } from '../../../src/crypto/log/signed-note.ts';
import { loadSigningKey } from '../../../src/crypto/signatures/signing.ts';
import { encodeActor, encodeClient, encodeEvent } from '../../../src/domain/audit/audit-event.ts';
import type { AuditActor, AuditEvent, ClientFacts } from '../../../src/domain/audit/audit-event.ts';
import { createChain } from '../../../src/audit/chain/chain.ts';
import { leafHashes, splitEntries } from '../../../src/audit/records/entry.ts';
import { entryTerms, scanEntry } from '../../../src/audit/log/entry-scan.ts';
import { bootMessage } from '../../../src/audit/records/signed-messages.ts';

export interface VectorInput {
  readonly origin: string;
  readonly writer: string;
  /** PKCS #8 PEM; for tests only. */
  readonly logKey: string;
  readonly bootKey: string;
  /** Commits, each with its events. */
  readonly batches: readonly (readonly VectorEvent[])[];
}

type VectorEvent = Readonly<Record<string, unknown>> & {
  readonly actor: AuditActor;
  readonly client?: ClientFacts;
};

/** All values that internals/spec/audit-log-v1.md defines, computed from the input. */
export function makeVector(input: VectorInput) {
  const logKey = loadSigningKey(input.logKey);
  const bootKey = loadSigningKey(input.bootKey);
  const publicKey = Buffer.from(bootKey.publicKey).toString('base64');
  const endorsement = logKey.sign(bootMessage(input.writer, publicKey)).toString('base64');
  const chain = createChain({ writer: input.writer, key: bootKey, publicKey });
  const tree = new TreeAccumulator();
  const leaves: string[] = [];
  const batches = input.batches.map((events) => {
    const row = chain.stage(events.map((event) => vectorBody(event, publicKey, endorsement)));
    chain.keep();
    for (const leaf of leafHashes(row.entries)) {
      tree.append(leaf);
      leaves.push(Buffer.from(leaf).toString('hex'));
    }
    return {
      first_seq: row.first_seq,
      count: row.count,
      entries: splitEntries(row.entries),
      head: Buffer.from(row.head).toString('hex'),
      signature: Buffer.from(row.signature).toString('base64'),
    };
  });
  const checkpoint = { origin: input.origin, size: tree.size, root: tree.root() };
  const last = batches.at(-1)?.entries.at(-1) ?? '';
  const scan = scanEntry(last);
  return {
    verifierKey: verifierKeyText(input.origin, logKey.publicKey),
    bootPublicKey: publicKey,
    endorsement,
    batches,
    leaves,
    root: Buffer.from(tree.root()).toString('hex'),
    checkpoint: signCheckpoint(checkpoint, { name: input.origin, key: logKey }),
    termsOfLastEntry: scan === undefined ? [] : entryTerms(scan),
  };
}

function vectorBody(event: VectorEvent, key: string, endorsement: string): string {
  const { actor, client, ...rest } = event;
  const boot = rest['boot'] === undefined ? {} : { boot: { ...rest['boot'], key, endorsement } };
  return encodeEvent(
    {
      ...rest,
      ...boot,
      actor: encodeActor(actor, sha256Hex),
      ...(client === undefined ? {} : { client: encodeClient(client, sha256Hex) }),
    } as AuditEvent,
    sha256Hex,
  );
}
