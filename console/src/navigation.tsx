import type { JSX } from 'preact';
import type { Schema } from './client.ts';
import { Choice, Field } from './fields.tsx';
import { workloadPath } from './format.ts';
import { Name } from './parts.tsx';
import { address, go, to } from './router.ts';

export function DocumentLink({
  kind,
  name,
}: {
  readonly kind: string;
  readonly name: string;
}): JSX.Element {
  return (
    <a href={to(`/documents/${kind}/${name}`)}>
      <bdi>{name}</bdi>
    </a>
  );
}

export function SecretLink({ path }: { readonly path: string }): JSX.Element {
  return (
    <a href={to(`/secrets/${path}`)}>
      <bdi>{path}</bdi>
    </a>
  );
}

export function WorkloadLink({ workload }: { readonly workload: string }): JSX.Element {
  return (
    <a href={to(`/workloads/${workloadPath(workload)}`)}>
      <Name>{workload}</Name>
    </a>
  );
}

/** The beginning of the UID of a pod; all of it on hover. */
export function PodId({ uid }: { readonly uid: string | undefined }): JSX.Element {
  if (uid === undefined) return <span class="quiet">none</span>;
  return <code title={uid}>{uid.slice(0, 8)}</code>;
}

/** A pod in quarantine by its name, anything else by its own. */
export function Subject({
  of: { subject, pod },
}: {
  readonly of: Pick<Schema<'Quarantine'>, 'subject' | 'pod'>;
}): JSX.Element {
  return <Name>{pod === undefined ? subject : `${pod.namespace}/${pod.name}`}</Name>;
}

/** The API takes no longer text in a filter. */
const MOST_TYPED = 512;

/** Reads the text by which a list is filtered. It is part of the address, so that a filtered list can be shared. */
export function currentFilter(): string {
  return address.value.query.get('filter') ?? '';
}

/** A field that filters the list at `path`. */
export function Filter({
  path,
  placeholder,
}: {
  readonly path: string;
  readonly placeholder: string;
}): JSX.Element {
  return (
    <search class="filters">
      <Field
        label="Filter"
        maxLength={MOST_TYPED}
        value={currentFilter()}
        placeholder={placeholder}
        onInput={(filter) => go(to(path, { filter }), { isReplaced: true })}
      />
    </search>
  );
}

/** A choice of one state, or all, for the list at `path`. */
export function StateFilter({
  path,
  states,
}: {
  readonly path: string;
  readonly states: readonly (readonly [state: string, label: string])[];
}): JSX.Element {
  return (
    <search class="filters">
      <Choice
        label="State"
        value={address.value.query.get('state') ?? ''}
        options={[['', 'all'], ...states]}
        onChange={(state) => go(to(path, { state }))}
      />
    </search>
  );
}

/** Fields whose texts are parameters of the address, so that a search can be shared. An empty field is no filter. */
export function Fields({
  path,
  names,
}: {
  readonly path: string;
  readonly names: readonly (readonly [parameter: string, label: string, placeholder?: string])[];
}): JSX.Element {
  const { query } = address.value;
  return (
    <search class="filters">
      {names.map(([parameter, label, placeholder]) => (
        <Field
          key={parameter}
          label={label}
          maxLength={MOST_TYPED}
          value={query.get(parameter) ?? ''}
          placeholder={placeholder}
          onInput={(text) => {
            const all = { ...Object.fromEntries(query), [parameter]: text };
            go(to(path, all), { isReplaced: true });
          }}
        />
      ))}
    </search>
  );
}
