import { instant } from '../../domain/time/instant.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { StoredDocument } from '../model/document.ts';
import type { Access } from '../state/dependencies.ts';
import type { Block, RevokedVersion } from './access-blocks.ts';

/** One check that a request passes, in the order in which the broker makes them. */
export interface ExplainStep {
  readonly step:
    | 'cluster'
    | 'pod'
    | 'session'
    | 'quarantine'
    | 'posture'
    | 'policy'
    | 'mount'
    | 'definition'
    | 'revocation';
  readonly verdict: 'passes' | 'blocks' | 'unknown';
  /** One readable clause. */
  readonly text: string;
}

export interface Explained {
  readonly workload: Workload;
  readonly path: string;
  readonly policy: Pick<ExplainStep, 'verdict' | 'text'>;
  readonly blocks: readonly Block[];
  readonly revoked: readonly RevokedVersion[];
  /** True if the path is a decoy and the operator may know it. */
  readonly isDecoy: boolean;
}

/** Explains everything that decides whether a request gets its secret. */
export function explainSteps(
  { catalog }: Pick<Access, 'catalog'>,
  { workload, path, policy, blocks, revoked, isDecoy }: Explained,
): readonly ExplainStep[] {
  const cluster = catalog.find('cluster', workload.cluster);
  const mount = catalog.mounts.find(path);
  const definition = catalog.find('definition', path);
  return [
    {
      step: 'cluster',
      ...(cluster === undefined
        ? blocked(`no cluster "${workload.cluster}" is registered, so its workloads cannot log in`)
        : passed(versionText(cluster))),
    },
    ...blocks.map((block): ExplainStep => ({ step: block.by, ...blocked(blockText(block)) })),
    { step: 'policy', ...policy },
    {
      step: 'mount',
      ...(mount === undefined
        ? blocked(`no mount covers the path "${path}"`)
        : passed(`${versionText(mount)}, connection "${mount.spec.connection}"`)),
    },
    {
      step: 'definition',
      ...passed(
        definition === undefined
          ? 'none; the settings of the mount apply'
          : `${versionText(definition)}, class ${definition.spec.class}${isDecoy ? ', a decoy: each read raises an alert' : ''}`,
      ),
    },
    ...revoked.map((each): ExplainStep => ({ step: 'revocation', ...passed(revokedText(each)) })),
  ];
}

function passed(text: string): Pick<ExplainStep, 'verdict' | 'text'> {
  return { verdict: 'passes', text };
}

function blocked(text: string): Pick<ExplainStep, 'verdict' | 'text'> {
  return { verdict: 'blocks', text };
}

function versionText({ name, version }: Pick<StoredDocument, 'name' | 'version'>): string {
  return `${name} v${version}`;
}

/** Formats one readable line for each step but the policy, whose reasons have lines of their own. */
export function stepLines(steps: readonly ExplainStep[]): readonly string[] {
  return steps.filter(({ step }) => step !== 'policy').map(stepLine);
}

function stepLine({ step, verdict, text }: ExplainStep): string {
  if (step === 'revocation') return `revoked: ${text}`;
  if (verdict === 'passes') return `${step}: ${text}`;
  return step === 'cluster' || step === 'mount' ? `absent: ${text}` : `blocked: ${text}`;
}

/** Describes the caller's answer, as the last line. */
export function resultLine(steps: readonly ExplainStep[], at?: number): string {
  const of = (verdict: ExplainStep['verdict']): string =>
    [...new Set(steps.filter((each) => each.verdict === verdict).map(({ step }) => step))].join(
      ', ',
    );
  const when = at === undefined ? 'now' : `at ${instant(at)}`;
  if (of('blocks') !== '') return `${when}: refused by ${of('blocks')}`;
  const unknown = steps.find(({ verdict }) => verdict === 'unknown');
  return unknown === undefined ? `${when}: allowed` : `${when}: not certain, ${unknown.text}`;
}

function revokedText({ version, session, lease }: RevokedVersion): string {
  return `version ${version} for session ${session} (lease ${lease}); a new session gets it again`;
}

function blockText(block: Block): string {
  switch (block.by) {
    case 'quarantine': {
      const { kind, subject, id, endsAt } = block.quarantine;
      const until = endsAt === undefined ? 'until it is lifted' : `until ${instant(endsAt)}`;
      return `the ${kind} ${subject} is in quarantine ${until} (${id})`;
    }
    case 'pod':
      return `the pod is ${block.state}, so it cannot log in`;
    case 'posture':
      return block.pending
        ? `the pod is not known well enough for the posture profile ${block.posture}`
        : `the pod does not meet the posture profile ${block.posture}`;
    case 'session':
      return `the session ${block.session} has ended`;
  }
}
