import { allItems, type Source } from './source.ts';

/** Result of a check, with the remedy of a problem. */
export interface Finding {
  readonly about: string;
  /** State of the check. `unknown`: the caller may not see it. */
  readonly state: 'ok' | 'warning' | 'problem' | 'unknown';
  readonly text: string;
  readonly cure?: string;
}

export function listener(url: string): Finding {
  const about = 'listener';
  if (url.startsWith('https://')) return { about, state: 'ok', text: `${url} speaks TLS` };
  return {
    about,
    state: 'warning',
    text: `${url} speaks no TLS; only clients on this machine may use it`,
    cure: 'set listener.tls in the configuration',
  };
}

interface Rule {
  readonly name?: string;
  readonly effect: string;
  readonly paths: readonly string[];
  readonly capabilities: readonly string[];
}
interface PolicyBody {
  readonly spec: {
    readonly subjects: readonly {
      readonly namespaces?: readonly string[];
      readonly serviceAccounts?: readonly string[];
      readonly identities?: readonly string[];
    }[];
    readonly rules: readonly Rule[];
  };
}

/** Rules that allow a whole cluster something, or anybody everything. */
export async function broadPolicies(source: Source): Promise<readonly Finding[]> {
  const policies = await allItems(source, 'listPolicies');
  const broad = policies.flatMap(({ name, document }) => {
    const { spec } = document as unknown as PolicyBody;
    const isAnyone = spec.subjects.some(
      ({ namespaces = ['*'], serviceAccounts = ['*'], identities }) =>
        identities === undefined && namespaces.includes('*') && serviceAccounts.includes('*'),
    );
    return spec.rules
      .filter(({ effect }) => effect === 'allow')
      .filter(
        ({ paths }) => paths.some((each) => /^\*/.test(each)) || (isAnyone && !paths.every(isOwn)),
      )
      .map(
        (rule) =>
          `policy "${name}": ${rule.capabilities.join(', ')} on ${rule.paths.join(', ')}${isAnyone ? ' for every workload of a cluster' : ''}`,
      );
  });
  if (broad.length === 0) {
    return [{ about: 'policies', state: 'ok', text: `${policies.length}, none over-broad` }];
  }
  return broad.map((text) => ({
    about: 'policies',
    state: 'warning' as const,
    text,
    cure: 'name namespaces and service accounts, or use ${namespace} in the paths',
  }));
}

/** A path that contains the caller's own namespace or name. */
function isOwn(path: string): boolean {
  return path.includes('${');
}

export async function accounts(source: Source): Promise<readonly Finding[]> {
  const operators = await allItems(source, 'listOperators');
  const admins = operators.filter(isAdmin);
  // People who log in with one of these are not counted; there may be many.
  const bindings = await allItems(source, 'listRoleBindings');
  const arePeopleAdmins = bindings.some(isAdmin);
  const findings: Finding[] = [];
  if (operators.some(({ name }) => name === 'bootstrap') && operators.length > 1) {
    findings.push({
      about: 'operators',
      state: 'warning',
      text: 'the account "bootstrap" of init still exists',
      cure: 'if another admin can log in: quaymaster operator rm bootstrap',
    });
  }
  if (admins.length < 2 && !arePeopleAdmins) {
    findings.push({
      about: 'operators',
      state: 'warning',
      text: `only ${admins.map(({ name }) => name).join(', ')} has the role admin`,
      cure: 'create an operator for each person: quaymaster apply -f FILE',
    });
  }
  return findings.length > 0
    ? findings
    : [
        {
          about: 'operators',
          state: 'ok',
          text: `${operators.length}, ${admins.length} of them admins`,
        },
      ];
}

function isAdmin({ document }: { readonly document: object }): boolean {
  const { grants } = document as { readonly grants: readonly { readonly role: string }[] };
  return grants.some(({ role }) => role === 'admin');
}
