import * as z from 'zod';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import type { Checkpoint } from '../../crypto/log/checkpoint.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import type { OriginReference } from '../../domain/audit/audit-actions.ts';
import type { Findings } from '../records/finding.ts';

const RELEASE = Buffer.from(',"action":"broker.release",');
const reference = z.object({ origin: z.string(), size: z.int().min(0), root: z.string() });
const releaseSchema = z.object({
  log: z.object({ origin: z.string(), previous: reference, abandoned: reference.optional() }),
});

/** An entry that opened a new origin. */
export interface OpenedOrigin {
  readonly index: number;
  readonly link: OriginReference;
}

/** Collects the entries that open a new origin, and checks that each of them continues the log before it. */
export class OriginVerifier {
  readonly #findings: Findings;
  readonly hint: string;
  readonly #opened: OpenedOrigin[] = [];

  /** `hint`: a sentence that is appended to a refusal. */
  constructor(findings: Findings, hint: string) {
    this.#findings = findings;
    this.hint = hint;
  }

  /** Opened origins in the order of the log. */
  get opened(): readonly OpenedOrigin[] {
    return this.#opened;
  }

  entry(index: number, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (!buffer.includes(RELEASE)) return;
    const { success, data } = releaseSchema.safeParse(parsed(buffer.toString('latin1')));
    if (success) this.#opened.push({ index, link: data.log });
  }

  /** Reports whether this log has or had the origin. */
  has(origin: string, current: string): boolean {
    const [first] = this.#opened;
    return (
      origin === current ||
      origin === first?.link.previous.origin ||
      this.#opened.some(({ link }) => link.origin === origin)
    );
  }

  /** The entry that closed an origin. */
  closedBy(origin: string): OpenedOrigin | undefined {
    return this.#opened.find(({ link }) => link.previous.origin === origin);
  }

  /**
   * A verifier must never accept two histories under one origin. So the origin of the checkpoint must be that of the last release, and each release
   * must continue the origin before it with the root that it names.
   */
  async check(origin: string, readRoot: (size: number) => Promise<Uint8Array>): Promise<void> {
    let current: string | undefined;
    for (const { index, link } of this.#opened) {
      const { previous } = link;
      if (previous.origin !== (current ?? previous.origin))
        this.#add(index, `the release continues ${previous.origin}, but the log was ${current}`);
      if (previous.size > index || !(await isRoot(previous, readRoot)))
        this.#add(
          index,
          `the release names another root of the first ${previous.size} entries than they have`,
        );
      current = link.origin;
    }
    if (current === undefined || current === origin) return;
    const message = `the log continues as ${current} since entry ${this.#opened.at(-1)?.index}, but the checkpoint signs its entries as ${origin}: an origin must not have two histories`;
    this.#findings.add({ what: 'origin_mismatch', message });
  }

  /** @returns whether the entries of an earlier origin, up to its external checkpoint, belong to this log */
  covers(external: Checkpoint, current: string): boolean {
    if (!this.has(external.origin, current)) {
      const message = `the external checkpoint is of ${external.origin}; the log is ${current} and does not continue it${this.hint}`;
      this.#findings.add({ what: 'other_history', message });
      return false;
    }
    const closed = this.closedBy(external.origin);
    if (closed === undefined || external.size <= closed.link.previous.size) return true;
    const { index, link } = closed;
    const message = `the external checkpoint covers ${external.size} entries of ${external.origin}. The log was restored (entry ${index}) and continues only the first ${link.previous.size} of them, as ${link.origin}: verify the others in an export of ${external.origin}`;
    this.#findings.add({ what: 'tail_missing', message, index: link.previous.size });
    return false;
  }

  #add(index: number, message: string): void {
    this.#findings.add({ what: 'origin_mismatch', message, index });
  }
}

/** An altered entry may have any content. The other verifiers report it. */
function parsed(entry: string): unknown {
  try {
    return JSON.parse(entry);
  } catch {
    return undefined;
  }
}

async function isRoot(
  { size, root }: OriginReference['previous'],
  readRoot: (size: number) => Promise<Uint8Array>,
): Promise<boolean> {
  const stated = decodeBase64(root);
  const found = await readRoot(size).catch(() => undefined);
  return (
    stated !== undefined &&
    found?.length === stated.length &&
    constantTimeEqual(stated, Buffer.from(found))
  );
}
