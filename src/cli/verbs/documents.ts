import type { components } from '../../client/index.ts';
import type { PolicySubject } from '../../domain/policy/index.ts';
import { confirm } from '../connection/confirm.ts';
import { allPages, callWith } from '../connection/broker.ts';
import { affectedByDocument } from './deletion-impact.ts';
import type { Call, CliContext, Verb } from '../connection/context.ts';
import { kindOf, pathOf, type DocumentWord } from '../documents/kinds.ts';
import { asManifest } from '../documents/manifest.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';
import { grantText } from '../connection/identity.ts';
import { subjectText } from '../reports/reading-rules.ts';
import { printable, printableYaml } from '../output/printable.ts';
import { fields, table } from '../output/table.ts';

interface ManifestOption {
  readonly manifest?: boolean;
}

/** The members of documents that lists show. */
interface Body {
  readonly prefix?: string;
  readonly connection?: string;
  readonly issuer?: string;
  readonly mode?: string;
  readonly order?: number;
  readonly action?: string;
  readonly scope?: string;
  readonly class?: string;
  readonly rotation?: { readonly strategy?: string };
  readonly workloads?: readonly PolicySubject[];
  readonly grants?: readonly components['schemas']['Grant'][];
  readonly spec?: {
    readonly subjects?: readonly unknown[];
    readonly rules?: readonly { readonly paths?: readonly string[] }[];
  };
}

const COLUMNS: Readonly<Record<DocumentWord, Readonly<Record<string, (body: Body) => unknown>>>> = {
  cluster: { connection: (body) => body.connection, issuer: (body) => body.issuer },
  mount: { prefix: (body) => body.prefix, connection: (body) => body.connection },
  operator: { roles: (body) => body.grants?.map(grantText) },
  'role-binding': {
    issuer: (body) => body.issuer,
    workloads: (body) => body.workloads?.map(subjectText),
    roles: (body) => body.grants?.map(grantText),
  },
  definition: {
    class: (body) => body.class,
    rotation: (body) => body.rotation?.strategy,
  },
  'posture-profile': { mode: (body) => body.mode },
  'response-rule': {
    order: (body) => body.order,
    action: (body) => body.action,
    scope: (body) => body.scope,
  },
  policy: { paths: (body) => body.spec?.rules?.flatMap(({ paths = [] }) => paths) },
};

export function listDocuments(word: DocumentWord): Verb<ManifestOption> {
  return async ({ broker, output, clock }, { options }) => {
    const kind = kindOf(word);
    const items = await allPages(await broker(), kind.list, { query: { limit: 1000 } });
    if (options.manifest === true) {
      for (const { name, document } of items) {
        await showManifest(output, asManifest(kind, name, document));
      }
      return;
    }
    await output.show({ items }, () =>
      table(
        [kind.parameter, ...Object.keys(COLUMNS[word]), 'version', 'updated', 'by'],
        items.map((each) => [
          each.name,
          ...Object.values(COLUMNS[word]).map((cell) => cell(each.document as Body)),
          each.version,
          each.updatedAt,
          each.updatedBy,
        ]),
        clock.now(),
      ),
    );
  };
}

export function getDocument(word: DocumentWord): Verb<ManifestOption> {
  return async ({ broker, output, clock }, { args: [name = ''], options }) => {
    const kind = kindOf(word);
    const { body } = await callWith(await broker(), kind.read, { path: pathOf(kind, name) });
    if (options.manifest === true) {
      await showManifest(output, asManifest(kind, name, body.document));
      return;
    }
    const document = await printableYaml(body.document);
    await output.show(body, () =>
      [
        fields(
          [
            [kind.parameter, body.name],
            ['version', body.version],
            ['updated', body.updatedAt],
            ['by', body.updatedBy],
          ],
          clock.now(),
        ),
        '',
        document,
      ].join('\n'),
    );
  };
}

/** A file that `apply -f` reads: YAML, or JSON if that is the output format. */
async function showManifest(output: CliContext['output'], manifest: unknown): Promise<void> {
  const text = await printableYaml(manifest);
  await output.item(manifest, () => `---\n${text}`);
}

/** Deletes the version that it has read, so a change by another operator in between is not lost. */
export function removeDocument(word: DocumentWord): Verb<{ readonly yes?: boolean }> {
  return async (context, { args: [name = ''], options }) => {
    const kind = kindOf(word);
    const broker = await context.broker();
    const path = pathOf(kind, name);
    const { etag, version, document } = (await callWith(broker, kind.read, { path })).body;
    await confirm(
      context,
      async (url) => {
        context.output.note(await affectedByDocument(broker, word, name, document));
        return `Delete ${word} ${name} (version ${version}) at ${url}`;
      },
      options.yes,
    );
    await callWith(broker, kind.remove, { path, headers: { 'If-Match': etag } });
    await context.output.say(`deleted ${word} ${name}`);
  };
}

/** Tests whether the backend of a mount allows what the mount needs. @returns 1 if it does not */
export async function runMountCheck(
  { broker, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<ExitCode> {
  return showReport(output, (await (await broker()).call('checkMount', { path: { name } })).body);
}

/** Tests whether a cluster allows what logins and watches need. @returns 1 if it does not */
export async function runClusterCheck(
  { broker, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<ExitCode> {
  return showReport(output, (await (await broker()).call('checkCluster', { path: { name } })).body);
}

async function showReport(
  output: CliContext['output'],
  body: components['schemas']['CheckReport'],
): Promise<ExitCode> {
  await output.show(body, () =>
    [
      body.healthy ? 'healthy' : 'NOT HEALTHY',
      ...body.findings.map((each) => `  ${printable(each)}`),
    ].join('\n'),
  );
  return body.healthy ? EXIT.done : EXIT.failed;
}
