import { confirm } from '../ask.ts';
import { callLoosely } from '../broker.ts';
import type { Call, CliContext, Verb } from '../context.ts';
import { kindOf, pathOf, type Word } from '../documents/kinds.ts';
import { asManifest } from '../documents/manifest.ts';
import { listStored, type DocumentVersion, type StoredDocument } from '../documents/stored.ts';
import { printableYaml } from '../output/printable-yaml.ts';
import { fields, table } from '../output/table.ts';

interface ShownAs {
  readonly manifest?: boolean;
}

/** Verbs that are the same for every kind of document. */
export function listDocuments(word: Word): Verb<ShownAs> {
  return async ({ broker, output }: CliContext, { options }: Call<ShownAs>) => {
    const kind = kindOf(word);
    const items = await listStored(await broker(), kind);
    if (options.manifest === true) {
      for (const { name, document } of items)
        await showManifest(output, asManifest(kind, name, document));
      return;
    }
    await output.show({ items }, () =>
      table(
        [kind.parameter, 'version', 'updated', 'by'],
        items.map((each) => [each.name, each.version, each.updatedAt, each.updatedBy]),
      ),
    );
  };
}

export function getDocument(word: Word): Verb<ShownAs> {
  return async ({ broker, output }, { args: [name = ''], options }) => {
    const kind = kindOf(word);
    const answer = await callLoosely(await broker(), kind.read, { path: pathOf(kind, name) });
    const stored = answer.body as StoredDocument;
    if (options.manifest === true) {
      await showManifest(output, asManifest(kind, name, stored.document));
      return;
    }
    const document = await printableYaml(stored.document);
    await output.show(stored, () =>
      [
        fields([
          [kind.parameter, stored.name],
          ['version', stored.version],
          ['updated', stored.updatedAt],
          ['by', stored.updatedBy],
        ]),
        '',
        document,
      ].join('\n'),
    );
  };
}

/** A file that `apply -f` reads, whatever the format: JSON where that was asked for. */
async function showManifest(output: CliContext['output'], manifest: unknown): Promise<void> {
  const text = await printableYaml(manifest);
  await output.item(manifest, () => `---\n${text}`);
}

export function removeDocument(word: Word): Verb<{ readonly yes?: boolean }> {
  return async (context, { args: [name = ''], options }) => {
    const kind = kindOf(word);
    const broker = await context.broker();
    const path = pathOf(kind, name);
    const { etag } = (await callLoosely(broker, kind.read, { path })).body as StoredDocument;
    await confirm(context, `delete the ${word} ${name}`, options.yes);
    await callLoosely(broker, kind.remove, { path, headers: { 'If-Match': etag } });
    await context.output.say(`deleted the ${word} ${name}`);
  };
}

export function listVersions(word: Word): Verb<object> {
  return async ({ broker, output }, { args: [name = ''] }) => {
    const kind = kindOf(word);
    const answer = await callLoosely(await broker(), kind.versions, { path: pathOf(kind, name) });
    const { items } = answer.body as { readonly items: readonly DocumentVersion[] };
    await output.show({ items }, () =>
      table(
        ['version', 'created', 'by', 'deleted'],
        items.map((each) => [each.version, each.createdAt, each.createdBy, each.deleted]),
      ),
    );
  };
}
