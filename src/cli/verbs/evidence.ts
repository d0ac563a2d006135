import type { components } from '../../client/index.ts';
import { readStdin } from '../input/ask.ts';
import { confirm } from '../connection/confirm.ts';
import { readText } from '../connection/connection.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';
import { printable } from '../output/printable.ts';
import { fields, table } from '../output/table.ts';

type Pushed = components['schemas']['PushedReport'];
type Details = components['schemas']['EvidenceDetails'];

interface PushOptions {
  readonly image?: readonly string[];
  readonly format?: string;
  readonly covers?: readonly string[];
}

/** The broker takes reports up to this size. */
const MAX_SENT = 1_048_576;
const MAX_READ = 64 * MAX_SENT;

export async function runEvidencePush(
  context: CliContext,
  { args: [file = ''], options: { image, format, covers } }: Call<PushOptions>,
): Promise<void> {
  const text = file === '-' ? (await readStdin(context)).toString() : await readText(file);
  const report = reduced(text, file);
  const body = defined({
    report,
    image,
    covers,
    format: format === 'auto' ? undefined : format,
  }) as Pushed;
  const { body: pushed } = await (await context.broker()).call('pushEvidence', { body });
  await context.output.show(pushed, () =>
    pushed.items
      .map(({ id, kind, scanner, digests, count: found, reportedAt, scope }) =>
        printable(
          `stored ${id}: ${counted(found, 'finding')} (${kind}) of ${scanner} in ${digests[0] ?? ''}, scanned ${reportedAt}${scopeNote(scope)}`,
        ),
      )
      .join('\n'),
  );
}

/** Describes the images for which a report counts, if its writer has a scope. */
export function scopeNote(scope: readonly string[] = []): string {
  return scope.length === 0 ? '' : `, for images of ${scope.join(', ')} only`;
}

/**
 * Members that no check reads, and that most of a report consists of: texts for people, and paths in which a scanner looked. A
 * masked secret stays here too.
 */
const NOT_SENT: ReadonlySet<string> = new Set([
  'Description',
  'Title',
  'References',
  'PrimaryURL',
  'CVSS',
  'CweIDs',
  'Layer',
  'Layers',
  'DataSource',
  'VendorSeverity',
  'Match',
  'Code',
  'ImageConfig',
  'Fingerprint',
  'description',
  'urls',
  'cvss',
  'advisories',
  'matchDetails',
  'locations',
  'dataSource',
  'cpes',
  'layers',
  'rawManifest',
  'rawConfig',
  'manifest',
  'config',
  'epss',
  'cwes',
  'detail',
  'licenses',
  'externalReferences',
  'upstreams',
  'links',
]);

/** Returns a report as it is or, if it is too large, without the members that no check reads. @throws UsageError */
function reduced(text: string, file: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_SENT) return text;
  if (bytes > MAX_READ) throw new UsageError(`${file} has ${bytes} bytes; at most ${MAX_READ}`);
  const smaller = JSON.stringify(withoutTexts(text, file));
  if (Buffer.byteLength(smaller) <= MAX_SENT) return smaller;
  throw new UsageError(
    `${file} has ${Buffer.byteLength(smaller)} bytes without descriptions, and the broker takes ${MAX_SENT}: limit the scan to the severities that a profile denies`,
  );
}

function withoutTexts(text: string, file: string): unknown {
  try {
    return JSON.parse(text, (name, value: unknown) => {
      if (NOT_SENT.has(name)) return undefined;
      // The broker asks only whether the scanner saw a package.
      return name === 'Packages' && Array.isArray(value) ? value.slice(0, 1) : value;
    });
  } catch (cause) {
    throw new UsageError(`${file} is not JSON: ${(cause as Error).message}`, [], { cause });
  }
}

export async function runEvidenceShow(
  context: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await context.broker()).call('readEvidence', { path: { id } });
  await context.output.show(body, () => textOf(body, context.clock.now()));
}

function textOf(details: Details, now: number): string {
  const {
    id,
    kind,
    scanner,
    scannerVersion = '',
    digests,
    writer,
    osEndOfLife,
    databaseBuiltAt,
    scope,
  } = details;
  const head = fields(
    [
      ['id', id],
      ['kind', kind],
      ['scanner', `${scanner} ${scannerVersion}`.trim()],
      ['image', digests.join(' ')],
      ['written by', writer],
      ...(scope === undefined ? [] : ([['counts for', scope]] as const)),
      ['scanned', details.reportedAt],
      ['received', details.receivedAt],
      ...(databaseBuiltAt === undefined ? [] : ([['database built', databaseBuiltAt]] as const)),
      ...(osEndOfLife === true ? ([['operating system', 'end of life']] as const) : []),
      ['findings', details.count],
    ],
    now,
  );
  const { findings } = details;
  if (findings.length === 0) return head;
  const rows = findings.map((each) => [
    each.severity ?? each.state ?? '',
    each.id,
    each.place,
    each.fixedVersion ?? '',
  ]);
  return `${head}\n\n${table(['severity', 'id', 'where', 'fixed in'], rows)}`;
}

export async function runEvidenceRemove(
  context: CliContext,
  { args: [id = ''], options: { yes } }: Call<{ readonly yes?: boolean }>,
): Promise<void> {
  await confirm(context, (url) => `Delete the evidence ${id} at ${url}`, yes);
  await (await context.broker()).call('deleteEvidence', { path: { id } });
  await context.output.show({ id }, () => `deleted ${id}`);
}
