import type { CheckFinding } from './finding.ts';
import { anyMatches, type PostureProfile } from './profile.ts';
import type { JsonNode } from '../text/json-node.ts';

/** Shorter values are not compared: settings such as `production` would equal them by chance, and a person who may create pods could guess them. */
export const SHORTEST_COMPARED = 16;

/** The current values of secrets, by fingerprint. */
export interface SecretValues {
  /** True if all current values are known. */
  readonly isComplete: boolean;
  /** Reason why no value is compared, if that is intended. */
  readonly omission?: string;
  /** The paths that have the value; the same list until one of them changes. */
  pathsOf(fingerprint: string): readonly string[];
}

/**
 * Variables of a container whose value equals a secret of the profile. A watched pod has fingerprints instead of its values, made under a key that
 * only the broker has. Values of a submitted manifest are never compared, because the answers would let its sender test guesses.
 */
export function secretValueFindings(
  { spec, secretPaths }: PostureProfile,
  container: JsonNode,
  values: SecretValues | undefined,
): readonly CheckFinding[] {
  if (spec.pod.secretValuesInEnvironment !== 'deny') return [];
  const code = 'secret_value_in_environment';
  const name = nameOf(container);
  const found: CheckFinding[] = [];
  let isUnknown = false;
  for (const variable of container.at('env').items()) {
    const fingerprint = fingerprintOf(variable);
    if (fingerprint === undefined) continue;
    const paths = fingerprint === '' ? NONE : (values?.pathsOf(fingerprint) ?? NONE);
    const equalSecrets = paths.filter((path) => anyMatches(secretPaths, path));
    if (equalSecrets.length === 0) {
      isUnknown ||= fingerprint === '' || values?.isComplete !== true;
      continue;
    }
    const message = `the variable "${nameOf(variable)}" of the container "${name}" has the value of a secret`;
    found.push({ code, pointer: variable.pointer, message, equalSecrets });
  }
  if (!isUnknown) return found;
  const message = `the broker could not compare all variables of the container "${name}" with the secrets${reasonOf(values)}`;
  return [...found, { code, message, isUnknown, onUnknown: spec.pod.onUnknown }];
}

function reasonOf(values: SecretValues | undefined): string {
  return values?.omission === undefined ? '' : `: ${values.omission}`;
}

const NONE: readonly string[] = [];

function nameOf(node: JsonNode): string {
  return node.at('name').text() ?? '';
}

/** Empty for a value that has none; undefined for a value that is not compared. */
function fingerprintOf(variable: JsonNode): string | undefined {
  const value = variable.at('value').text() ?? '';
  return value.length >= SHORTEST_COMPARED ? '' : variable.at('valueFingerprint').text();
}
