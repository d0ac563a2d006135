import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { Diff } from '../diff.tsx';
import { Explain } from '../explain.tsx';
import { deleteDocument, extentOf, KINDS, listVersions, readDocument } from '../kinds.ts';
import type { Kind, Stored, Version } from '../kinds.ts';
import { unmasked } from '../format.ts';
import { useLoad } from '../load.ts';
import { DocumentLink, currentFilter, Filter } from '../navigation.tsx';
import {
  Command,
  Empty,
  Facts,
  Loading,
  More,
  Name,
  Page,
  Problem,
  Section,
  State,
  Table,
  Time,
} from '../parts.tsx';
import { Permitted } from '../rights.tsx';
import { go, to } from '../router.ts';
import { EditDocument, yamlOf } from './document-editor.tsx';
import { useDocuments } from './pages.ts';
import { PolicyPlan } from './policy-plan.tsx';

/** Documents of all kinds: the kinds, those of one kind, and one of them. */
export function Documents({ rest }: { readonly rest: string }): JSX.Element {
  const [word = '', ...names] = rest.split('/');
  const kind = KINDS.find((each) => each.word === word);
  const name = names.join('/');
  if (rest === '') return <KindList />;
  if (rest === 'explain') return <ExplainPage />;
  if (kind === undefined)
    return (
      <Page title="No such kind">
        <p>
          The broker has no documents of this kind. <a href={to('/documents')}>All kinds</a>
        </p>
      </Page>
    );
  if (name === '') return <DocumentList key={word} kind={kind} />;
  return <DocumentPage key={rest} kind={kind} name={name} />;
}

function KindList(): JSX.Element {
  return (
    <Page
      title="Policies and documents"
      aside={
        <a class="button" href={to('/documents/explain')}>
          Explain a decision
        </a>
      }
    >
      <Table
        label="Kinds"
        items={KINDS}
        keyOf={({ word }) => word}
        empty=""
        columns={[
          {
            title: 'Kind',
            of: ({ word, title }) => <a href={to(`/documents/${word}`)}>{title}</a>,
          },
          { title: 'Content', of: ({ about }) => about },
        ]}
      />
      <Command words={['apply', '-f', 'DIRECTORY', '--dry-run']} />
    </Page>
  );
}

function ExplainPage(): JSX.Element {
  return (
    <Page title="Explain a decision">
      <p class="quiet">The broker answers as it would decide, and names the rule.</p>
      <Explain />
    </Page>
  );
}

function Heading({ kind, name }: { readonly kind: Kind; readonly name?: string }): JSX.Element {
  return (
    <nav class="crumbs" aria-label="Path">
      <a href={to('/documents')}>Documents</a> /{' '}
      {name === undefined ? (
        kind.title
      ) : (
        <>
          <a href={to(`/documents/${kind.word}`)}>{kind.title}</a> / <bdi>{name}</bdi>
        </>
      )}
    </nav>
  );
}

function DocumentList({ kind }: { readonly kind: Kind }): JSX.Element {
  const [isNew, setNew] = useState(false);
  const pages = useDocuments(kind);
  const filter = currentFilter();
  return (
    <Page
      title={kind.title}
      heading={<Heading kind={kind} />}
      aside={
        !isNew && (
          <Permitted
            operation={`put${kind.one}`}
            extent={extentOf(kind)}
            onClick={() => setNew(true)}
          >
            New {kind.word}
          </Permitted>
        )
      }
    >
      {isNew && <EditDocument kind={kind} onClose={() => setNew(false)} />}
      <Filter path={`/documents/${kind.word}`} placeholder="name" />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <Table
              label={kind.title}
              items={items.filter(({ name }) => name.includes(filter))}
              keyOf={({ name }) => name}
              empty={items.length === 0 ? 'There is none yet.' : 'No name has this text.'}
              columns={[
                {
                  title: 'Name',
                  of: ({ name }) => <DocumentLink kind={kind.word} name={name} />,
                },
                { title: 'Version', isNumber: true, of: ({ version }) => version },
                { title: 'Updated', of: ({ updatedAt }) => <Time at={updatedAt} /> },
                { title: 'By', of: ({ updatedBy }) => <Name>{updatedBy}</Name> },
              ]}
            />
            <More isWhole={isWhole} load={pages.more} />
          </>
        )}
      </Loading>
      <Command words={[kind.word, 'ls']} />
    </Page>
  );
}

function DocumentPage({ kind, name }: { readonly kind: Kind; readonly name: string }): JSX.Element {
  const [isEditing, setEditing] = useState(false);
  const topics = [`document:${kind.word}/${name}`];
  const key = `${kind.word} ${name}`;
  const stored = useLoad(`document ${key}`, () => readDocument(kind, name), topics);
  const versions = useLoad(`versions of ${key}`, () => listVersions(kind, name), topics);
  const current = stored.is === 'loaded' ? stored.data : undefined;
  return (
    <Page
      title={name}
      heading={<Heading kind={kind} name={name} />}
      aside={
        current !== undefined &&
        !isEditing && (
          <div class="buttons">
            <Permitted
              operation={`put${kind.one}`}
              extent={extentOf(kind, name)}
              onClick={() => setEditing(true)}
            >
              Edit
            </Permitted>
            <Delete kind={kind} stored={current} />
          </div>
        )
      }
    >
      {isEditing ? (
        <>
          {stored.is === 'refused' && <Problem error={stored.error} />}
          <EditDocument
            kind={kind}
            name={name}
            stored={current}
            onClose={() => setEditing(false)}
          />
        </>
      ) : (
        <Loading of={stored}>
          {(found) => (
            <>
              <Facts
                items={[
                  ['Version', <code>{found.version}</code>],
                  ['Updated', <Time at={found.updatedAt} />],
                  ['By', <Name>{found.updatedBy}</Name>],
                  ...(found.elevation === undefined
                    ? []
                    : [['Until the end of', <ElevationLink id={found.elevation} />] as const]),
                ]}
              />
              <pre class="document" tabIndex={0} aria-label="Text">
                {unmasked(yamlOf(found.document))}
              </pre>
            </>
          )}
        </Loading>
      )}
      <Section title="Versions">
        <Loading of={versions}>{(items) => <Versions versions={items} />}</Loading>
        <Command words={[kind.word, 'versions', name]} />
      </Section>
      {kind.word === 'policy' && (
        <Section title="Explain a decision" note="By all policies, as the broker would decide.">
          <Explain />
        </Section>
      )}
      <Command words={[kind.word, 'get', name]} />
    </Page>
  );
}

function ElevationLink({ id }: { readonly id: string }): JSX.Element {
  return <a href={to(`/approvals/${id}`)}>the elevation under which it was written</a>;
}

function Delete({ kind, stored }: { readonly kind: Kind; readonly stored: Stored }): JSX.Element {
  const { name, etag, version } = stored;
  return (
    <Action
      label="Delete"
      operation={`delete${kind.one}`}
      extent={extentOf(kind, name)}
      isDangerous
      explanation={
        <>
          <p>
            The {kind.word} <Name>{name}</Name> (version {version}) is in force no longer. Its
            versions stay.
            {kind.word === 'policy' && ' Access that only this policy allows ends at once.'}
          </p>
          {kind.word === 'policy' && (
            <PolicyPlan draft={() => ({ policies: [], remove: [name] })} />
          )}
        </>
      }
      command={() => [kind.word, 'rm', name]}
      run={async () => {
        await deleteDocument(kind, name, etag);
        go(to(`/documents/${kind.word}`));
      }}
    />
  );
}

/** The versions, and the lines in which one differs from the one before. */
function Versions({ versions }: { readonly versions: readonly Version[] }): JSX.Element {
  const [shown, setShown] = useState<string>();
  /** A document that was deleted and created again has two versions of one number. */
  const keyOf = ({ uid, version }: Version): string => `${uid} ${version}`;
  const at = versions.findIndex((each) => keyOf(each) === shown);
  const textOf = (version: Version | undefined): string =>
    version?.document === undefined ? '' : yamlOf(version.document);
  if (versions.length === 0) return <Empty>There is no version.</Empty>;
  return (
    <>
      <Table
        label="Versions"
        items={versions}
        keyOf={keyOf}
        empty=""
        columns={[
          { title: 'Version', of: ({ version }) => <code>{version}</code> },
          {
            title: 'State',
            of: (each) =>
              each.deleted ? (
                <State tone="off">deleted</State>
              ) : each === versions[0] ? (
                <State tone="good">current</State>
              ) : (
                <State tone="info">previous</State>
              ),
          },
          { title: 'Written', of: ({ createdAt }) => <Time at={createdAt} /> },
          { title: 'By', of: ({ createdBy }) => <Name>{createdBy}</Name> },
          {
            title: 'Changes',
            of: (each) => (
              <button type="button" class="small" onClick={() => setShown(keyOf(each))}>
                Show the changes of {each.version}
              </button>
            ),
          },
        ]}
      />
      {versions[at] !== undefined && (
        <Diff
          before={textOf(versions[at + 1])}
          after={textOf(versions[at])}
          label={`Changes of version ${versions[at].version}`}
        />
      )}
    </>
  );
}
