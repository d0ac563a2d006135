import { action } from '../../cli/run/action.ts';
import type { ActionRow, CommandRow, CommandTable } from '../../cli/run/command.ts';
import type { Verb } from '../../cli/connection/context.ts';
import { systemClock } from '../../process/clock.ts';
import { leanStart } from '../../process/lean-start.ts';
import { preferEventLoop } from '../../process/thread-priorities.ts';
import { VERSION } from '../../process/version.ts';
import { print, showBytes } from '../output.ts';
import type { DrillOptions } from '../verbs/drill.ts';
import type { ReleaseOptions } from '../verbs/release.ts';
import { ARCHIVE, CONFIG } from './options.ts';

/** The commands that start a broker. */
export const BROKER: CommandTable<ActionRow> = {
  heading: 'Broker:',
  commands: [
    action<{ config: string; trustClock?: boolean }>(
      {
        command: 'serve',
        summary: 'run the broker',
        options: [
          CONFIG,
          [
            '--trust-clock',
            'trust the system clock although the log has later entries; see docs/operations.md',
          ],
        ],
        examples: ['quaymaster serve --config config.yaml'],
      },
      async ({ options }) => {
        const { runServe } = await import('../verbs/serve.ts');
        await leanStart(() => runServe(options));
        preferEventLoop();
      },
    ),
    action<{ config: string; tokenFile: string; tokenTtl: string }>(
      {
        command: 'init',
        summary: 'create missing keys and store, and a short-lived admin token',
        options: [
          CONFIG,
          ['--token-file <file>', 'a new file of mode 0600 for the token', { isRequired: true }],
          ['--token-ttl <duration>', 'lifetime of the token', { fallback: '1h' }],
        ],
        examples: ['quaymaster init --config config.yaml --token-file operator.token'],
      },
      async ({ options }) => {
        const { runInit } = await import('../verbs/init.ts');
        print(await runInit(options));
      },
    ),
    action<{ directory: string; port: string }>(
      {
        command: 'dev',
        summary: 'run a broker on this machine for trying things out, with everything it needs',
        options: [
          ['--directory <dir>', 'directory for its files', { fallback: '.quaymaster' }],
          ['--port <port>', 'port on 127.0.0.1', { fallback: '8200' }],
        ],
        examples: ['quaymaster dev', 'quaymaster dev --port 8300'],
      },
      async ({ options }) => {
        const { runDev } = await import('../dev/run-dev.ts');
        await runDev(options, print);
      },
    ),
  ],
};

/** The commands that check or unlock an installation. */
export const MAINTENANCE: CommandTable<ActionRow | CommandRow> = {
  heading: 'Broker:',
  groups: {
    config: 'check the configuration',
    'log-key': 'move the log key',
    notification: 'test the receivers of notifications',
  },
  commands: [
    {
      command: 'version',
      summary: 'print the release of this program',
      isLocal: true,
      examples: ['quaymaster version', 'quaymaster version --output json'],
      load: () => Promise.resolve(({ output }) => output.show({ version: VERSION }, () => VERSION)),
    },
    action<{ config: string; files?: boolean }>(
      {
        command: 'config check',
        summary: 'validate the configuration file; list every problem',
        options: [CONFIG, ['--files', 'also check every file that the configuration names']],
        examples: ['quaymaster config check --config config.yaml --files'],
      },
      async ({ options: { config, files = false } }) => {
        const { runConfigCheck } = await import('../verbs/check-files.ts');
        print(await runConfigCheck(config, files));
      },
    ),
    action<{ config: string }>(
      {
        command: 'log-key to-store',
        summary: 'move the log key from its file into the store',
        details:
          'Run it while no broker runs, with audit.logKeyFile in the configuration and a key-encryption key in Vault or AWS KMS. The file stays until you delete it.',
        options: [CONFIG],
        examples: ['quaymaster log-key to-store --config /etc/quaymaster/config.yaml'],
      },
      async ({ options: { config } }) => {
        const { moveLogKeyToStore } = await import('../verbs/move-log-key.ts');
        print(await moveLogKeyToStore(config));
      },
    ),
    action<{ config: string }>(
      {
        command: 'log-key to-file',
        summary: 'move the log key from the store to a file',
        details: 'Run it while no broker runs, with audit.logKey: store in the configuration.',
        arguments: [['<file>', 'a new file of mode 0600']],
        options: [CONFIG],
        examples: [
          'quaymaster log-key to-file /var/lib/quaymaster-keys/log.key --config /etc/quaymaster/config.yaml',
        ],
      },
      async ({ args: [file = ''], options: { config } }) => {
        const { moveLogKeyToFile } = await import('../verbs/move-log-key.ts');
        print(await moveLogKeyToFile(file, config));
      },
    ),
    action<{ config: string }>(
      {
        command: 'notification test',
        summary:
          'send a test event to the receivers of notifications; exit 1 if one does not accept',
        details:
          'Run it where the configuration and its files are, for example in the container of the broker. The broker need not run.',
        arguments: [['[receiver]', 'name of one receiver; without it, all']],
        options: [CONFIG],
        examples: [
          'quaymaster notification test --config /etc/quaymaster/config.yaml',
          'quaymaster notification test pager --config /etc/quaymaster/config.yaml',
        ],
      },
      async ({ args: [receiver], options: { config } }) => {
        const { runTestNotifications } = await import('../verbs/test-notifications.ts');
        print(await runTestNotifications({ config, receiver }, systemClock));
      },
    ),
    {
      command: 'doctor',
      summary:
        'find problems of an installation, or of one path, with their cures; exit 1 if there is one',
      details:
        'Without a path: listener, clock, over-broad policies, default accounts, audit log and mounts; with --config also the files of the configuration and the key-encryption key. With a path: everything from the login of a workload to the backend.',
      arguments: [['[path]', 'path of a secret; needs --as']],
      options: [
        ['--as <workload>', 'with a path: name of a workload, such as k8s://prod/shop/web'],
        [
          '-c, --config <file>',
          'also check the files that this configuration names, and open its key-encryption key',
        ],
      ],
      examples: [
        'quaymaster doctor --config /etc/quaymaster/config.yaml',
        'quaymaster doctor payments/db --as k8s://prod/shop/web',
      ],
      load: loadDoctor,
    },
    {
      command: 'drill',
      summary:
        'restore the newest backup elsewhere, and test what a loss would need; exit 1 if a check fails',
      details:
        'It reports like a test, one check a line: archive and manifest, restore, the whole log, each key-encryption key alone, and the receivers of notifications, which get a test event. The running broker is not touched, and its log gets an entry. Run it every month where the configuration, its keys and the backups are; it needs a login with the role admin, and room for the store.',
      options: [
        CONFIG,
        ['--identity <file>', 'secret key of a recipient', { isRequired: true }],
        ['--directory <directory>', 'where the restored store may lie; default: temporary files'],
        [
          '--scratch-database <file>',
          'connection string of an empty PostgreSQL database: restore there too, then empty it',
        ],
      ],
      examples: [
        'quaymaster drill --config /etc/quaymaster/config.yaml --identity backup.key',
        'quaymaster drill --config config.yaml --identity backup.key --directory /mnt/spare',
      ],
      load: loadDrill,
    },
    action<ReleaseOptions>(
      {
        command: 'release',
        summary: 'unlock a store that was stopped by rollback protection; see docs/operations.md',
        details:
          'After a restore the sessions of people end. With --apply-removals the commit that unlocks the store also applies the deletions, revocations, quarantines, and ends of sessions and approvals that a newer log proves. It prints the plan; --yes applies it.',
        options: [
          CONFIG,
          ['--comment <text>', 'reason; recorded in the audit log', { isRequired: true }],
          [
            '--apply-removals <log>',
            'a newer log: an export, the replaced store, or a file or directory with the lines of a sink',
          ],
          [
            '--checkpoint <file>',
            'with files of a sink: a copy of the newest checkpoint, instead of the one outside the store',
          ],
          ['--keep-logins', 'do not end the sessions of people'],
          ['--end-operator-tokens', 'end all operator tokens; quaymaster init issues a new one'],
          ['--yes', 'apply the plan that is printed without it'],
          ...ARCHIVE,
        ],
        examples: [
          'quaymaster release --config config.yaml --comment INC-7',
          'quaymaster release --config config.yaml --comment INC-7 --apply-removals newer/ --yes',
        ],
      },
      async ({ options }) => {
        const { runRelease } = await import('../verbs/release.ts');
        print(await runRelease(options));
      },
    ),
    action<{ config: string }>(
      {
        command: 'healthcheck',
        summary: 'exit 0 if the broker on this machine is alive',
        options: [CONFIG],
        examples: ['quaymaster healthcheck --config config.yaml'],
      },
      async ({ options: { config } }) => {
        const { runHealthcheck } = await import('../verbs/healthcheck.ts');
        print(await runHealthcheck(config));
      },
    ),
  ],
};

async function loadDoctor(): Promise<Verb<{ readonly as?: string; readonly config?: string }>> {
  const { runDoctor } = await import('../../cli/verbs/doctor.ts');
  const { configFindings } = await import('../verbs/check-files.ts');
  return async (context, call) => {
    const { config } = call.options;
    const local = config === undefined ? [] : await configFindings(config, context.clock);
    return runDoctor(context, call, local);
  };
}

async function loadDrill(): Promise<Verb<DrillOptions>> {
  const { runDrillChecks } = await import('../verbs/drill.ts');
  const { reportDrill } = await import('../../cli/verbs/drill.ts');
  return async (context, { options }) =>
    reportDrill(context, await runDrillChecks(options, showBytes));
}
