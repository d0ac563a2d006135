import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call } from '../client.ts';
import { Field } from '../fields.tsx';
import { count } from '../format.ts';
import { Name } from '../parts.tsx';
import { go, to } from '../router.ts';

interface Row {
  readonly key: string;
  readonly value: string;
  readonly isRemoved: boolean;
}

const EMPTY: Row = { key: '', value: '', isRemoved: false };

/** Fields for keys and values. Values are hidden while they are typed, and forgotten after the write. */
function KeyFields({
  rows,
  onChange,
  canRemove,
}: {
  readonly rows: readonly Row[];
  readonly onChange: (rows: readonly Row[]) => void;
  readonly canRemove: boolean;
}): JSX.Element {
  const set = (index: number, change: Partial<Row>): void =>
    onChange(rows.map((row, at) => (at === index ? { ...row, ...change } : row)));
  return (
    <fieldset>
      <legend>Keys</legend>
      {rows.map((row, index) => (
        <div key={index} class="pair">
          <Field
            label={`Key ${index + 1}`}
            required={index === 0}
            maxLength={253}
            value={row.key}
            onInput={(key) => set(index, { key })}
          />
          <label>
            Value {index + 1}
            <input
              type="password"
              value={row.value}
              disabled={row.isRemoved}
              autocomplete="new-password"
              onInput={(event) => set(index, { value: event.currentTarget.value })}
            />
          </label>
          {canRemove && (
            <label class="check">
              <input
                type="checkbox"
                checked={row.isRemoved}
                onChange={(event) => set(index, { isRemoved: event.currentTarget.checked })}
              />
              Remove key {index + 1}
            </label>
          )}
        </div>
      ))}
      <button type="button" class="small" onClick={() => onChange([...rows, EMPTY])}>
        Add a key
      </button>
    </fieldset>
  );
}

function filled(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ key }) => key !== '');
}

/** The plan of a change, by names of keys. */
function Plan({
  rows,
  holders,
}: {
  readonly rows: readonly Row[];
  readonly holders: number;
}): JSX.Element {
  const named = filled(rows);
  return (
    <ul class="diff" aria-label="Plan">
      {named.map(({ key, isRemoved }) => (
        <li key={key} class={isRemoved ? 'removed' : 'added'}>
          {isRemoved ? '- removes' : '+ sets'} <Name>{key}</Name>
        </li>
      ))}
      <li class="quiet">
        A new version becomes current. {count(holders, 'live lease')} of older versions{' '}
        {holders === 1 ? 'stays' : 'stay'} valid until replaced.
      </li>
    </ul>
  );
}

interface ChangeProps {
  readonly path: string;
  /** The version that the page shows: a newer one of another person is not overwritten. */
  readonly version: string | undefined;
  readonly holders: number;
}

/** Sets or removes keys of a secret; the other keys stay, and the person need not read them. */
export function PatchSecret({ path, version, holders }: ChangeProps): JSX.Element {
  const [rows, setRows] = useState<readonly Row[]>([EMPTY]);
  /** The version at the first input. The page is live, so a newer one may arrive while somebody types. */
  const [base, setBase] = useState<string>();
  const expected = base ?? version;
  return (
    <Action
      label="Edit keys"
      operation="patchSecret"
      extent={{ path }}
      reason="optional"
      explanation={
        <>
          <p>
            Other keys of <Name>{path}</Name> stay as they are.
          </p>
          <Plan rows={rows} holders={holders} />
        </>
      }
      fields={
        <>
          <KeyFields
            rows={rows}
            canRemove
            onChange={(changed) => {
              setRows(changed);
              setBase(expected);
            }}
          />
          {expected !== version && (
            <div class="notice" role="alert">
              <p>
                Version <code>{version}</code> was written while you typed; this form began with
                version <code>{expected}</code>.
              </p>
              <button type="button" onClick={() => setBase(version)}>
                Edit version {version}
              </button>
            </div>
          )}
        </>
      }
      command={() => [
        'patch',
        path,
        ...filled(rows).flatMap(({ key, isRemoved }) =>
          isRemoved ? ['--remove', key] : [`${key}=@FILE`],
        ),
      ]}
      run={async (comment) => {
        const data = Object.fromEntries(
          filled(rows).map(({ key, value, isRemoved }) => [key, isRemoved ? null : value]),
        );
        await call('patchSecret', {
          path: { path },
          body: { data, ...(comment !== '' && { comment }) },
          ...(expected !== undefined && { headers: { 'If-Match': `"${expected}"` } }),
        });
        setRows([EMPTY]);
        setBase(undefined);
      }}
    />
  );
}

/** Deletes a secret; it can be restored for a time. */
export function DeleteSecret({ path, version, holders }: ChangeProps): JSX.Element {
  return (
    <Action
      label="Delete"
      operation="deleteSecret"
      extent={{ path }}
      isDangerous
      explanation={
        <p>
          <Name>{path}</Name> is absent at once for all readers. {count(holders, 'live lease')} lose
          it at the next read. It can be restored until the mount's window for that is over.
        </p>
      }
      command={() => ['rm', path]}
      run={() =>
        call('deleteSecret', {
          path: { path },
          ...(version !== undefined && { headers: { 'If-Match': `"${version}"` } }),
        })
      }
    />
  );
}

export function RestoreSecret({ path }: { readonly path: string }): JSX.Element {
  return (
    <Action
      label="Restore"
      operation="undeleteSecret"
      extent={{ path }}
      isDangerous
      explanation={
        <p>
          The deleted versions of <Name>{path}</Name> are restored, and the one that was current is
          current again.
        </p>
      }
      command={() => ['undelete', path]}
      run={() => call('undeleteSecret', { path: { path }, body: {} })}
    />
  );
}

/** Creates a secret; one that exists is not overwritten. */
export function CreateSecret({ prefix }: { readonly prefix: string }): JSX.Element {
  const [rows, setRows] = useState<readonly Row[]>([EMPTY]);
  const [path, setPath] = useState(prefix === '' ? '' : `${prefix}/`);
  return (
    <Action
      label="New secret"
      operation="writeSecret"
      extent="anywhere"
      reason="optional"
      explanation={<Plan rows={rows} holders={0} />}
      fields={
        <>
          <Field label="Path" required value={path} onInput={setPath} />
          <KeyFields rows={rows} onChange={setRows} canRemove={false} />
        </>
      }
      command={() => [
        'put',
        path === '' ? 'PATH' : path,
        ...filled(rows).map(({ key }) => `${key}=@FILE`),
      ]}
      run={async (comment) => {
        const data = Object.fromEntries(filled(rows).map(({ key, value }) => [key, value]));
        await call('writeSecret', {
          path: { path },
          body: { data, ...(comment !== '' && { comment }) },
          headers: { 'If-None-Match': '*' },
        });
        setRows([EMPTY]);
        go(to(`/secrets/${path}`));
      }}
    />
  );
}
