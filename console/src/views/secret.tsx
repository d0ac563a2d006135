import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from '../attempt.ts';
import { call, Refusal, type Schema } from '../client.ts';
import { saveFile } from '../download.ts';
import { Field } from '../fields.tsx';
import { count } from '../format.ts';
import { useLoad } from '../load.ts';
import { PodId, WorkloadLink } from '../navigation.tsx';
import {
  Command,
  Copy,
  Loading,
  Name,
  Page,
  Problem,
  Section,
  State,
  Table,
  Time,
  type Tone,
} from '../parts.tsx';
import { Permitted } from '../rights.tsx';
import { Readers } from './readers.tsx';
import { Receivers } from './receivers.tsx';
import { RotationOfSecret } from './rotations.tsx';
import { DeleteSecret, PatchSecret, RestoreSecret } from './secret-changes.tsx';
import { Crumbs } from './secrets.tsx';

/** A shown value disappears after this time, and when the page loses the focus. */
const SHOWN_MS = 30_000;

type Version = Schema<'SecretVersionInfo'>;
type Lease = Schema<'Lease'>;

const VERSION_TONES: Readonly<Record<Version['state'], Tone>> = {
  current: 'good',
  previous: 'info',
  deleted: 'off',
  destroyed: 'off',
};

/** One secret: who holds which version, its versions, its rotation, its readers, and its values on request. */
export function SecretPage({ path }: { readonly path: string }): JSX.Element {
  const leases = useLoad(
    `leases ${path}`,
    () => call('listLeases', { query: { path, state: 'live', limit: 1_000 } }),
    [`secret:${path}`, 'lease', 'session', 'beat'],
  );
  const versions = useLoad(
    `versions ${path}`,
    () => call('listSecretVersions', { path: { path } }),
    [`secret:${path}`],
  );
  const held = leases.is === 'loaded' ? leases.data.items : [];
  const current = currentOf(versions);
  return (
    <Page
      title={path}
      heading={<Crumbs prefix={path} />}
      aside={
        <div class="buttons">
          {versions.is === 'loaded' && current === undefined ? (
            <RestoreSecret path={path} />
          ) : (
            <>
              <PatchSecret path={path} version={current} holders={held.length} />
              <DeleteSecret path={path} version={current} holders={held.length} />
            </>
          )}
        </div>
      }
    >
      <Section
        title="Who holds which version now"
        note="Live leases; each row is a workload that may still use the value."
      >
        <Loading of={leases}>{({ items }) => <Holders leases={items} current={current} />}</Loading>
        <Command words={['lease', 'ls', '--path', path]} />
      </Section>
      <Section title="Versions">
        <Loading of={versions}>
          {({ items }) => <Versions versions={items} leases={held} />}
        </Loading>
        <Command words={['versions', path]} />
      </Section>
      <RotationOfSecret path={path} />
      <Readers path={path} />
      <Receivers path={path} />
      <Values path={path} />
    </Page>
  );
}

function currentOf(
  loaded: ReturnType<typeof useLoad<Schema<'SecretVersions'>>>,
): string | undefined {
  if (loaded.is !== 'loaded') return undefined;
  return loaded.data.items.find(({ state }) => state === 'current')?.version;
}

function Holders({
  leases,
  current,
}: {
  readonly leases: readonly Lease[];
  readonly current: string | undefined;
}): JSX.Element {
  return (
    <Table
      label="Holders"
      items={leases}
      keyOf={({ id }) => id}
      empty="No workload holds a version now."
      columns={[
        {
          title: 'Workload',
          of: ({ workload }) => <WorkloadLink workload={workload} />,
        },
        {
          title: 'Pod',
          of: ({ podUid }) => <PodId uid={podUid} />,
        },
        {
          title: 'Version',
          of: ({ version }) =>
            current === undefined || version === current ? (
              <code>{version}</code>
            ) : (
              <State tone="warn">
                <code>{version}</code> old
              </State>
            ),
        },
        { title: 'Since', of: ({ issuedAt }) => <Time at={issuedAt} /> },
        { title: 'Until', of: ({ endsAt }) => <Time at={endsAt} /> },
      ]}
    />
  );
}

function Versions({
  versions,
  leases,
}: {
  readonly versions: readonly Version[];
  readonly leases: readonly Lease[];
}): JSX.Element {
  const holders = (version: string): number =>
    leases.filter((lease) => lease.version === version).length;
  return (
    <Table
      label="Versions"
      items={versions}
      keyOf={({ version }) => version}
      empty="The secret has no version."
      columns={[
        { title: 'Version', of: ({ version }) => <code>{version}</code> },
        { title: 'State', of: ({ state }) => <State tone={VERSION_TONES[state]}>{state}</State> },
        { title: 'Holders', isNumber: true, of: ({ version }) => holders(version) },
        { title: 'Written', of: ({ createdAt }) => <Time at={createdAt} /> },
        { title: 'By', of: ({ createdBy }) => <Name>{createdBy}</Name> },
        {
          title: 'How',
          of: ({ method, comment }) => (
            <>
              {method ?? ''} {comment !== undefined && <bdi class="quiet">{comment}</bdi>}
            </>
          ),
        },
      ]}
    />
  );
}

type Value = Schema<'SecretData'>[string];

const CHANGED = 'The value changed between text and binary. Load the page again.';

/** The text of one key. @throws Refusal for a binary value */
function textOf(value: Value | undefined): string {
  if (typeof value === 'string') return value;
  throw new Refusal(0, { detail: CHANGED });
}

/** The bytes of a binary value; undefined for a text. */
function bytesOf(value: Value | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (value === undefined || typeof value === 'string') return undefined;
  return Uint8Array.from(atob(value.base64), (each) => each.charCodeAt(0));
}

async function readData(path: string, reason: string): Promise<Schema<'SecretData'>> {
  const secret = await call('readSecret', { path: { path }, query: { reason } });
  if (!('data' in secret))
    throw new Refusal(0, { detail: 'The values are encrypted for another client.' });
  return secret.data;
}

interface Key {
  readonly key: string;
  /** Bytes of a binary value. */
  readonly size: number | undefined;
}

/** Values are loaded on request only and with a reason, one is shown at a time, and none outlives the look at it. Each read has its audit entry. */
function Values({ path }: { readonly path: string }): JSX.Element {
  const form = useRef<HTMLFormElement>(null);
  const [reason, setReason] = useState('');
  const [keys, setKeys] = useState<readonly Key[]>();
  const [shown, setShown] = useState<{ readonly key: string; readonly text: string }>();
  const { error, attempt } = useAttempt();
  useEffect(() => {
    const hide = (): void => setShown(undefined);
    const timer = setTimeout(hide, SHOWN_MS);
    addEventListener('blur', hide);
    addEventListener('pagehide', hide);
    document.addEventListener('visibilitychange', hide);
    return () => {
      clearTimeout(timer);
      removeEventListener('blur', hide);
      removeEventListener('pagehide', hide);
      document.removeEventListener('visibilitychange', hide);
    };
  }, [shown]);
  const read = (): ReturnType<typeof readData> => {
    if (form.current?.reportValidity() === true) return readData(path, reason.trim());
    throw new Refusal(0, { detail: 'Type the reason first.' });
  };
  const show = (key: string): Promise<void> =>
    attempt(async () => {
      const data = await read();
      setShown({ key, text: textOf(data[key]) });
    });
  const download = (key: string): Promise<void> =>
    attempt(async () => {
      const bytes = bytesOf((await read())[key]);
      if (bytes === undefined) throw new Refusal(0, { detail: CHANGED });
      saveFile(key, bytes);
    });
  const readKeys = async (): Promise<readonly Key[]> =>
    Object.entries(await read()).map(([key, value]) => ({ key, size: bytesOf(value)?.length }));
  return (
    <Section title="Values" note="Each read is in the audit log, with your name and the reason.">
      <form
        ref={form}
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(async () => setKeys(await readKeys()));
        }}
      >
        <Field
          label="Reason"
          required
          pattern=".*\S.*"
          maxLength={1024}
          value={reason}
          placeholder="INC-7"
          onInput={setReason}
        />
        {keys === undefined && (
          <Permitted operation="readSecret" extent={{ path }} type="submit">
            Read the names of the keys
          </Permitted>
        )}
      </form>
      {keys !== undefined && (
        <Table
          label="Values"
          items={keys}
          keyOf={({ key }) => key}
          empty="The secret has no keys."
          columns={[
            { title: 'Key', of: ({ key }) => <Name>{key}</Name> },
            {
              title: 'Value',
              of: ({ key, size }) => {
                if (size !== undefined) return `binary, ${count(size, 'byte')}`;
                return shown?.key === key ? (
                  <bdi class="value">{shown.text}</bdi>
                ) : (
                  <span class="quiet" aria-label="hidden">
                    ••••••••
                  </span>
                );
              },
            },
            {
              title: 'Actions',
              of: ({ key, size }) =>
                size === undefined ? (
                  <span class="buttons">
                    {shown?.key === key ? (
                      <button type="button" class="small" onClick={() => setShown(undefined)}>
                        Hide <bdi>{key}</bdi>
                      </button>
                    ) : (
                      <button type="button" class="small" onClick={() => void show(key)}>
                        Show <bdi>{key}</bdi>
                      </button>
                    )}
                    <Copy
                      label="Copy"
                      subject={key}
                      text={async () => textOf((await read())[key])}
                    />
                  </span>
                ) : (
                  <button type="button" class="small" onClick={() => void download(key)}>
                    Download <bdi>{key}</bdi>
                  </button>
                ),
            },
          ]}
        />
      )}
      {error !== undefined && <Problem error={error} />}
      <Command words={['get', path, '--reason', reason.trim() === '' ? 'REASON' : reason.trim()]} />
    </Section>
  );
}
