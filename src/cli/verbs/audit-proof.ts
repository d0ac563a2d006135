import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import { leafHash } from '../../crypto/log/merkle.ts';
import { verifyInclusion } from '../../crypto/log/proofs.ts';
import { parseVerifierKey } from '../../crypto/log/signed-note.ts';
import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { fields } from '../output/table.ts';

type Proof = components['schemas']['EntryProof'];

/** Fetches the proof that an entry is in the log, and checks it on this machine. */
export async function runAuditProof(
  { broker, output }: CliContext,
  { args: [text = ''], options }: Call<{ readonly logKey?: string }>,
): Promise<ExitCode> {
  const index = Number(text);
  if (!/^\d+$/.test(text)) throw new UsageError('the index of an entry is a whole number');
  const caller = await broker();
  const { body } = await caller.call('proveEntry', { path: { index } });
  const key = options.logKey ?? (await caller.call('readLogKey')).body.trim();
  const holds = body.index === index && proves(body, key);
  await output.show({ ...body, holds, keyGiven: options.logKey !== undefined }, () =>
    [
      holds ? 'the entry is in the log' : 'VERIFICATION FAILED: the proof is not valid',
      fields([
        ['entry', body.entry],
        ['checkpoint', body.checkpoint.split('\n').slice(0, 3)],
      ]),
      ...(options.logKey === undefined
        ? [
            'Checked with the key that the broker returned. Pass --log-key from a trusted copy to prove whose log this is.',
          ]
        : []),
    ].join('\n'),
  );
  return holds ? EXIT.done : EXIT.failed;
}

/** RFC 6962: the hashes lead from the bytes of the entry to the root that the log's key signed. */
function proves({ entry, index, hashes, checkpoint }: Proof, logKey: string): boolean {
  try {
    const verifier = parseVerifierKey(logKey);
    const { size, root } = openLogCheckpoint(checkpoint, verifier);
    const leaf = leafHash(Buffer.from(entry));
    const path = hashes.map((hash) => decodeBase64(hash) ?? new Uint8Array());
    return verifyInclusion({ leaf, index, size, root }, path);
  } catch {
    return false;
  }
}

/** The latest signed tree head, byte for byte, so that it can be kept elsewhere. */
export async function runCheckpoint(
  { broker, output }: CliContext,
  { options: { witnessed } }: Call<{ readonly witnessed?: true }>,
): Promise<void> {
  const query = witnessed === true ? { witnessed } : {};
  const { body } = await (await broker()).call('readCheckpoint', { query });
  await output.show({ checkpoint: body }, () => body);
}

export async function runLogKey({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('readLogKey');
  await output.show({ logKey: body.trim() }, () => body);
}
