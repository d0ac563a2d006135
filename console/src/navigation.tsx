import type { JSX } from 'preact';
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
      <label>
        Filter
        <input
          type="text"
          maxLength={MOST_TYPED}
          value={currentFilter()}
          placeholder={placeholder}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) =>
            go(to(path, { filter: event.currentTarget.value }), { isReplaced: true })
          }
        />
      </label>
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
      <label>
        State
        <select
          value={address.value.query.get('state') ?? ''}
          onChange={(event) => go(to(path, { state: event.currentTarget.value }))}
        >
          <option value="">all</option>
          {states.map(([state, label]) => (
            <option key={state} value={state}>
              {label}
            </option>
          ))}
        </select>
      </label>
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
        <label key={parameter}>
          {label}
          <input
            type="text"
            maxLength={MOST_TYPED}
            value={query.get(parameter) ?? ''}
            placeholder={placeholder}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => {
              const all = { ...Object.fromEntries(query), [parameter]: event.currentTarget.value };
              go(to(path, all), { isReplaced: true });
            }}
          />
        </label>
      ))}
    </search>
  );
}
