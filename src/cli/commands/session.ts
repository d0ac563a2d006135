import type { Command } from 'commander';
import { local, online } from './declare.ts';

export function addSession(program: Command): void {
  online(
    program
      .command('login')
      .description('try a token, and keep it with its broker as a profile')
      .option('--name <name>', 'what to call the profile; "default" unless told')
      .option('--token-stdin', 'read the token from standard input')
      .option('--cluster <name>', 'log in as this pod: its cluster, as the broker knows it')
      .option('--pod-token-file <file>', "with --cluster: the pod's projected token"),
    async () => (await import('../verbs/login.ts')).runLogin,
  );
  online(
    program
      .command('logout')
      .description('end the session, and forget the profile')
      .option('--revoke', "revoke the operator's token too"),
    async () => (await import('../verbs/logout.ts')).runLogout,
  );
  online(
    program.command('whoami').description('say as whom the broker knows you, and until when'),
    async () => (await import('../verbs/whoami.ts')).runWhoami,
  );
  local(
    program.command('profiles').description('list the profiles; tokens are not shown'),
    async () => (await import('../verbs/profiles.ts')).runProfiles,
  );
}
