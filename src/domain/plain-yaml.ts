/**
 * How the broker, the agent and the command line read YAML that people write: version 1.2 of the core schema that says what JSON could say. Keys are texts and
 * come once, and nothing is merged in from elsewhere: what is reviewed is what holds. Options of the library `yaml`; anchors, aliases and tags
 * have none, and are refused where they are found.
 */
export const PLAIN_YAML = {
  version: '1.2',
  schema: 'core',
  merge: false,
  uniqueKeys: true,
  stringKeys: true,
  prettyErrors: false,
  logLevel: 'silent',
} as const;
