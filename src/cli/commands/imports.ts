import { YES, type CommandTable, type OptionRow } from '../run/command.ts';

const load = () => import('../verbs/import.ts');

const MAPPING: readonly OptionRow[] = [
  ['--from <prefix>', 'copy only what is below this prefix, and remove the prefix'],
  ['--to <prefix>', 'write below this prefix at the broker'],
  ['--map <file>', 'YAML of SOURCE: TARGET for single secrets; null leaves one out'],
  ['--dry-run', 'show the plan and stop; exit 2 if there is something to copy'],
  YES,
];

export const IMPORTS: CommandTable = {
  heading: 'Import:',
  groups: {
    import: 'copy secrets from another system; existing secrets stay unchanged',
    migrate: 'make documents of the settings of another system',
  },
  commands: [
    {
      command: 'import vault',
      summary: 'copy the current versions of a KV engine of Vault or OpenBao',
      details:
        'More than 32 levels of folders, 10,000 folders or 100,000 names stop the import before anything is copied: copy parts with --from.',
      options: [
        ['--address <url>', 'URL of the server', { isRequired: true }],
        [
          '--vault-token-file <file>',
          'file with a token that may list and read',
          { isRequired: true },
        ],
        ['--mount <path>', 'path of the KV engine', { fallback: 'secret' }],
        [
          '--kv <version>',
          'version of the KV engine; default: ask the server',
          { choices: ['1', '2'] },
        ],
        ['--namespace <name>', 'namespace at the server'],
        ['--vault-ca <file>', "PEM file with the CA of the server's certificate"],
        ...MAPPING,
      ],
      examples: [
        'quaymaster import vault --address https://vault.example:8200 --vault-token-file vault.token --dry-run',
        'quaymaster import vault --address https://vault.example:8200 --vault-token-file vault.token --from teams/payments --to payments',
      ],
      load: async () => (await load()).runImportVault,
    },
    {
      command: 'import aws',
      summary: 'copy the current versions of AWS Secrets Manager',
      details: 'The AWS SDK finds the credentials: environment, profile or role.',
      options: [
        ['--region <name>', 'region of the secrets', { isRequired: true }],
        ['--endpoint <url>', 'endpoint to use instead of the public one'],
        ...MAPPING,
      ],
      examples: ['quaymaster import aws --region eu-central-1 --to aws --dry-run'],
      load: async () => (await load()).runImportAws,
    },
    {
      command: 'migrate vault-policy',
      summary: 'make access policies of policies and Kubernetes auth roles of Vault or OpenBao',
      details:
        'Files are policies in JSON and roles as bao read -format=json prints them, each named by its file. Documents go to standard output, differences to standard error. Sends nothing.',
      arguments: [['<file...>', 'policies and roles, or directories of them']],
      options: [
        ['--cluster <name>', 'the cluster that replaces the auth mount', { isRequired: true }],
        [
          '--mounts <file>',
          'YAML with the content of vaultApi.mounts: engines and prefixes',
          { isRequired: true },
        ],
      ],
      examples: [
        'quaymaster migrate vault-policy policies roles --cluster prod --mounts mounts.yaml > access.yaml',
      ],
      isLocal: true,
      load: async () => (await import('../verbs/migrate.ts')).runMigrateVaultPolicy,
    },
  ],
};
