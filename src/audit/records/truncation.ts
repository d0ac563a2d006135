import * as z from 'zod';

const count = z.int().min(0);

/** The parts of an `audit.truncate` entry that readers use. They accept members that they do not know. */
const schema = z.object({
  time: z.string(),
  actor: z.object({ kind: z.string(), id: z.string().optional() }),
  action: z.literal('audit.truncate'),
  outcome: z.literal('ok'),
  comment: z.string().optional(),
  archive: z.object({
    first: count,
    end: count.min(1),
    root: z.base64(),
    place: z.string(),
    objects: z
      .array(z.object({ name: z.string(), end: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }))
      .min(1),
  }),
});

/** An object of the archive, by the entry that signs it. */
export interface SignedObject {
  readonly name: string;
  /** Entries `[first, end)` of the log. */
  readonly first: number;
  readonly end: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** One step of moving the beginning of the log to the archive, as an entry of the log signs it. */
export interface Truncation {
  readonly first: number;
  readonly end: number;
  /** Root of the tree over the first `end` entries. */
  readonly root: Uint8Array;
  readonly place: string;
  readonly objects: readonly SignedObject[];
  readonly time: string;
  /** The operator or the part of the broker that archived. */
  readonly actor: string;
  readonly comment: string | undefined;
}

const MARK = ',"action":"audit.truncate","outcome":"ok"';

/** Undefined unless the entry is a truncation. */
export function parseTruncation(entry: string): Truncation | undefined {
  if (!entry.includes(MARK)) return undefined;
  const parsed = schema.safeParse(jsonOf(entry));
  if (!parsed.success) return undefined;
  const { time, actor, comment, archive } = parsed.data;
  let { first } = archive;
  const objects = archive.objects.map(({ name, end, sha256 }) => {
    const object = { name, first, end, sha256 };
    first = end;
    return object;
  });
  const isWhole = objects.every((object) => object.first < object.end) && first === archive.end;
  if (!isWhole) return undefined;
  const root = Buffer.from(archive.root, 'base64');
  return { ...archive, objects, root, time, actor: actor.id ?? actor.kind, comment };
}

function jsonOf(entry: string): unknown {
  try {
    return JSON.parse(entry);
  } catch {
    return undefined;
  }
}
