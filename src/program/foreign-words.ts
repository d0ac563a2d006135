/** Commands of Vault, Infisical, kubectl, sops and others that have another name here. */
export const COMMANDS: Readonly<Record<string, string>> = {
  kv: 'secrets have commands of their own: get, put, patch, rm, undelete, destroy, ls and versions',
  secret:
    'secrets have commands of their own: get, put, patch, rm, undelete, destroy, ls and versions',
  read: 'read a secret: quaymaster get PATH; issue a dynamic credential: quaymaster credential PATH',
  write: 'write a secret: quaymaster put PATH; create documents: quaymaster apply -f FILE',
  create: 'write a secret: quaymaster put PATH; create documents: quaymaster apply -f FILE',
  set: 'write a secret: quaymaster put PATH, or only some of its keys: quaymaster patch PATH',
  describe:
    'quaymaster get PATH shows a secret; each kind of document has a get, such as quaymaster policy get NAME',
  show: 'each kind of document has a get, such as quaymaster policy get NAME',
  view: 'the brokers that you use: quaymaster profile ls; the configuration file of a broker: quaymaster config check',
  rollback: 'write an older version again: quaymaster cp PATH PATH --version N --replace',
  exec: 'run a program with secrets: quaymaster run --env NAME=PATH#KEY -- PROGRAM; in a pod: quaymaster agent',
  env: 'write a .env file: quaymaster get PATH --reveal --output dotenv; run a program with secrets: quaymaster run',
  export:
    'write a .env file: quaymaster get PATH --reveal --output dotenv; the audit log: quaymaster audit export',
  mv: 'quaymaster cp FROM TO, then quaymaster rm FROM',
  secrets: 'list backends: quaymaster mount ls; attach one: quaymaster apply -f FILE',
  auth: 'list clusters whose pods may log in: quaymaster cluster ls',
  token: 'tokens of operators: quaymaster operator token create, ls and revoke',
  profiles: 'list the profiles: quaymaster profile ls',
  use: 'select a broker: quaymaster profile use NAME',
  'use-context': 'select a broker: quaymaster profile use NAME',
  'get-contexts': 'list brokers: quaymaster profile ls; select one: quaymaster profile use NAME',
  context: 'list brokers: quaymaster profile ls; select one: quaymaster profile use NAME',
  logs: 'what happened: quaymaster audit search; as it happens: quaymaster watch',
  health: 'quaymaster status; what is wrong and what to do: quaymaster doctor',
  ping: 'quaymaster status; what is wrong and what to do: quaymaster doctor',
  rotations: 'list what rotates: quaymaster rotate ls',
  rand: 'write random values into a secret: quaymaster generate PATH KEY',
  unseal: 'restart each replica to unseal it: it reads its key-encryption key by itself',
};

const AFTER = 'options follow their command: quaymaster ls --profile NAME -o json';

/** Options of the same tools, options before their command, and those that a command does not need. */
export const OPTIONS: Readonly<Record<string, string>> = {
  '--format': '-o table, -o json or -o yaml',
  '-format': '-o table, -o json or -o yaml',
  '--field': 'one key of a secret: --key KEY --reveal',
  '-field': 'one key of a secret: --key KEY --reveal',
  '--address': 'the URL of the broker: --url URL',
  '--namespace': 'a prefix of paths takes the place of a namespace: team/secret',
  '--force': 'confirm in advance: --yes',
  '--duration': 'how long something lasts: --for 4h',
  '-v': 'the version: quaymaster --version',
  '-q': 'for scripts: -o json',
  '--quiet': 'for scripts: -o json',
  '--profile': AFTER,
  '--url': AFTER,
  '--token-file': AFTER,
  '-o': AFTER,
  '--output': AFTER,
  '-y': 'the command does not ask: leave it out',
  '--yes': 'the command does not ask: leave it out',
};

/** Commands that a guess must not lead to: they delete, revoke, stop or accept something. */
const HARMFUL = /^(?:destroy|release|restore|retire|revoke|rm|seal|sign-out)$/;

/** Adds to commander's message about an unknown word the command that helps. It keeps a guess only if one letter is wrong and the command is harmless. */
export function withAdvice(text: string): string {
  if (text.startsWith("error: required option '-f, --file")) {
    return `${text.trimEnd()}\n(name files or directories: quaymaster apply -f config/)\n`;
  }
  const [, kind = '', word = ''] = /^error: unknown (command|option) '([^'=]*)/.exec(text) ?? [];
  const known = kind === 'option' ? OPTIONS : COMMANDS;
  const advice = Object.hasOwn(known, word)
    ? known[word]
    : kind === 'command' && adviceForPath(word);
  if (advice) return `error: unknown ${kind} '${word}'\n(${advice})\n`;
  return text.replace(/\n\(Did you mean (?:one of )?([^\n]*)\?\)/, (_line, guesses: string) => {
    const good = guesses.split(', ').filter((guess) => isNear(word, guess));
    return good.length === 0 ? '' : `\n(Did you mean ${good.join(' or ')}?)`;
  });
}

/** Advice for a path where a command belongs, as in `rotate payments/db`. */
function adviceForPath(word: string): string | false {
  return word.includes('/') && 'name the command before a path: quaymaster rotate run PATH';
}

function isNear(word: string, guess: string): boolean {
  return !HARMFUL.test(guess) && word.length > 3 && isOneEdit(word, guess);
}

/** True if one letter is missing, added, replaced, or swapped with its neighbour. */
function isOneEdit(a: string, b: string): boolean {
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  const swapped = `${restA[1] ?? ''}${restA[0] ?? ''}${restA.slice(2)}`;
  return (
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB.slice(1) ||
    swapped === restB
  );
}
