import { execFileSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { describeWithProgram } from '../../../kit/backends/describe-with-program.ts';
import { commandTree } from '../../../../src/cli/run/completion.ts';
import { completionScript } from '../../../../src/cli/run/completion.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { createProgram } from '../../../../src/program/program.ts';

removeTreesAfterEach();

const tree = commandTree(createProgram());
const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Words of a command line, of which the last one is completed, and what is offered. */
const OFFERS: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['pol'], ['policy']],
  [['policy', 'te'], ['test']],
  [['--x', 'policy', 'test', 'file', '--poli'], ['--policies']],
  [
    ['operator', 'token', ''],
    ['create', 'list', 'ls', 'revoke'],
  ],
  [['lease', 'list', '--work'], ['--workload']],
  [['get', 'policy', '--rev'], ['--reveal']],
  [
    ['get', '-o', ''],
    ['dotenv', 'json', 'table', 'yaml'],
  ],
  [['ls', '--output', 'j'], ['json']],
  [
    ['audit', 'search', '--outcome', ''],
    ['deny', 'error', 'ok'],
  ],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [
    ['ls', '--profile', ''],
    ['dev', 'prod'],
  ],
  [['profile', 'rm', 'p'], ['prod']],
  [['profile', 'delete', 'p'], ['prod']],
  [['get', 'pay'], ['payments/db']],
  [['get', '--profile', 'prod', 'pay'], ['payments/live']],
  [['policy', 'get', ''], ['shop-web']],
  [['dele'], ['delete']],
];

/** Commands that print what the shell offers for the line, one word a line. */
const ASK: Readonly<Record<Shell, (words: readonly string[]) => string>> = {
  bash: (words) => `COMP_WORDS=(quaymaster ${quotedAll(words)}); COMP_CWORD=${words.length}
    _quaymaster; printf '%s\\n' "\${COMPREPLY[@]}"`,
  // Only the line editor of zsh defines these functions. compadd offers what begins like the word.
  zsh: (words) => `words=(quaymaster ${quotedAll(words)}); CURRENT=${words.length + 1}
    compadd() { local word; for word in "\${@:2}"; do [[ $word == "$words[CURRENT]"* ]] && print -r -- $word; done; return 0 }
    _files() { }
    _quaymaster`,
  fish: (words) => `complete -C ${quotedAll([['quaymaster', ...words].join(' ')])} | cut -f 1`,
};
/** The start-up files of the machine are not read. */
const PLAIN: Readonly<Record<Shell, readonly string[]>> = {
  bash: ['--noprofile', '--norc'],
  zsh: ['-f'],
  fish: ['--no-config'],
};

describe.each(SHELLS)('completion in %s', (shell) => {
  describeWithProgram(shell, 'which is here', (program) => {
    it.each(OFFERS)('completes %j to %j', async (words, expected) => {
      const home = await fileTree({
        'quaymaster/current': 'dev\n',
        'quaymaster/profiles/dev.json': '{}',
        'quaymaster/profiles/prod.json': '{}',
        'quaymaster/names/dev/paths': 'payments/db\nshop/mail\n',
        'quaymaster/names/dev/policies': 'shop-web\n',
        'quaymaster/names/prod/paths': 'payments/live\n',
      });
      const script = `${shell === 'zsh' ? 'compdef() { }\n' : ''}${completionScript(shell, 'quaymaster', tree)}\n${ASK[shell](words)}`;
      const env = { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: home };
      const output = execFileSync(program, [...PLAIN[shell], '-c', script], {
        encoding: 'utf8',
        cwd: home,
        env,
      });
      const offered = output.split('\n').filter((word) => word !== '');
      const named = offered.filter((word) => !word.startsWith('-') || expected.includes(word));
      expect(named.sort()).toEqual(expected);
    });
  });
});

it.each(SHELLS)('has every command and every option in %s, in 70 KB', (shell) => {
  const script = completionScript(shell, 'quaymaster', tree);
  for (const { path, options } of tree) {
    expect(script).toContain(`'${path.map((word) => ` ${word}`).join('')}'`);
    for (const { flag } of options) expect(script).toContain(flag.replace('--', ''));
  }
  expect(script.length).toBeLessThan(70_000);
});

function quotedAll(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ');
}
