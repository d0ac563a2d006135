import { assess, CHECKS, factsOf, type CheckName, type Question } from './checks.ts';
import type { CheckResult, CheckState } from './check-result.ts';
import { STANDARDS, type Control, type StandardName } from './standards.ts';

/** One control with the observations of its checks. */
export interface AssessedControl {
  readonly id: string;
  readonly title: string;
  readonly state: CheckState;
  readonly checks: readonly (CheckResult & { readonly check: CheckName })[];
}

export interface ComplianceReport {
  readonly broker: string;
  readonly from: string;
  readonly to: string;
  /** The signed checkpoint that covers the entries that are named as evidence. */
  readonly checkpoint: string;
  readonly standards: readonly {
    readonly name: StandardName;
    readonly title: string;
    readonly controls: readonly AssessedControl[];
  }[];
}

/** Assesses the controls of standards with evidence from the broker. */
export async function assessStandards(
  question: Question,
  names: readonly StandardName[],
): Promise<ComplianceReport> {
  const { source, url, from, now } = question;
  const facts = factsOf(question);
  const wanted = new Set(
    names.flatMap((name) => STANDARDS[name].controls.flatMap(({ checks }) => checks)),
  );
  const results = new Map<CheckName, CheckResult>();
  for (const name of Object.keys(CHECKS) as readonly CheckName[]) {
    if (!wanted.has(name)) continue;
    source.progress(`checks ${name}`);
    results.set(name, await assess(name, facts));
  }
  const standards = names.map((name) => ({
    name,
    title: STANDARDS[name].title,
    controls: STANDARDS[name].controls.map((control) => assessed(control, results)),
  }));
  // The checkpoint is read after the checks, so that it covers the entries that they name.
  const checkpoint = await source.call('readCheckpoint');
  return {
    broker: url,
    from,
    to: new Date(now).toISOString(),
    checkpoint,
    standards,
  };
}

function assessed(
  { id, title, checks }: Control,
  results: ReadonlyMap<CheckName, CheckResult>,
): AssessedControl {
  const found = checks.flatMap((check) => {
    const result = results.get(check);
    return result === undefined ? [] : [{ check, ...result }];
  });
  return { id, title, state: stateOf(found.map(({ state }) => state)), checks: found };
}

/** One failure fails the control; nothing that was not seen passes. */
function stateOf(states: readonly CheckState[]): CheckState {
  if (states.includes('fail')) return 'fail';
  if (states.length === 0 || states.includes('not-assessed')) return 'not-assessed';
  return states.every((state) => state === 'not-applicable') ? 'not-applicable' : 'pass';
}
