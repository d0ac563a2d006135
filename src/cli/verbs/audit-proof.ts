import { openCheckpoint } from '../../crypto/checkpoint.ts';
import { decodeBase64 } from '../../crypto/base64.ts';
import { leafHash } from '../../crypto/merkle.ts';
import { verifyInclusion } from '../../crypto/proofs.ts';
import { parseVerifierKey } from '../../crypto/signed-note.ts';
import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { fields } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';

type Proof = components['schemas']['EntryProof'];

/** Gets the proof that an entry is in the log, and checks it here. */
export async function runAuditProof(
  { broker, output }: CliContext,
  { args: [text = ''], options }: Call<{ readonly logKey?: string }>,
): Promise<ExitCode> {
  const index = Number(text);
  if (!/^\d+$/.test(text)) throw new UsageError('an entry is named by its index, a whole number');
  const caller = await broker();
  const { body } = await caller.call('proveEntry', { path: { index } });
  const key = options.logKey ?? (await caller.call('readLogKey')).body.trim();
  const holds = body.index === index && proves(body, key);
  await output.show({ ...body, holds, keyGiven: options.logKey !== undefined }, () =>
    [
      holds ? 'the entry is in the log' : 'THE PROOF DOES NOT HOLD',
      fields([
        ['entry', body.entry],
        ['checkpoint', body.checkpoint.split('\n').slice(0, 3)],
      ]),
      ...(options.logKey === undefined
        ? ['the log key is the one that the broker brought: give --log-key to know whose it is']
        : []),
    ].join('\n'),
  );
  return holds ? EXIT.done : EXIT.failed;
}

/** RFC 6962: from the bytes of the entry to the root that the log's key signed. */
function proves({ entry, index, hashes, checkpoint }: Proof, logKey: string): boolean {
  try {
    const verifier = parseVerifierKey(logKey);
    const { size, root } = openCheckpoint(checkpoint, verifier.name, [verifier]);
    const leaf = leafHash(Buffer.from(entry));
    const path = hashes.map((hash) => decodeBase64(hash) ?? new Uint8Array());
    return verifyInclusion({ leaf, index, size, root }, path);
  } catch {
    return false;
  }
}
