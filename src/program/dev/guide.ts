import { join } from 'node:path';
import type { Serving } from '../serving/serve.ts';
import type { DevFiles } from './dev-config.ts';

/**
 * The lines to paste into another terminal. They work in bash and zsh: an interactive zsh has no comments and splits no variables into words, so
 * explanations are arguments of `:` without apostrophes, and programs are functions.
 */
export function guide(
  { url, vaultUrl }: Pick<Serving, 'url' | 'vaultUrl'>,
  files: DevFiles,
  link: string | undefined,
): string {
  const login = quoted(join(files.directory, 'login.json'));
  // The running program itself, so that the lines work in any directory and with any Node first on the path.
  const program = `${quoted(process.execPath)} ${quoted(process.argv[1] ?? 'quaymaster')}`;
  const exported = quoted(join(files.directory, 'export-'));
  const secrets = quoted(files.secrets);
  const json = `-H 'Content-Type: application/json'`;
  const console =
    link === undefined
      ? ''
      : `
Open the console, once within a minute:
${link}
Later, sign in there with the token in ${files.operatorToken}.
`;
  return `${console}
Quaymaster listens at ${url}, on this machine only. Stop it with Ctrl-C. Its files are in ${files.directory}.
Paste these lines into another terminal:

: 'log in as a pod of the service account shop/web, whose token is in login.json'
SESSION=$(curl -s ${url}/api/v1/sessions ${json} -d @${login} | sed -E 's/.*"token":"([^"]+)".*/\\1/')
: 'read one secret, under a lease'
curl -s ${url}/api/v1/secrets/demo/shop/db -H "Authorization: Bearer $SESSION"; echo
: 'read it with a client of the HashiCorp Vault HTTP API, if bao is installed'
export BAO_ADDR=${vaultUrl}; command -v bao > /dev/null && BAO_TOKEN="$SESSION" bao kv get secret/shop/db
: 'read several secrets in one call'
curl -s ${url}/api/v1/secrets:batch -H "Authorization: Bearer $SESSION" ${json} -d '{"items":[{"path":"demo/shop/db"},{"path":"demo/shop/api"},{"path":"demo/payments/db"}]}'; echo
: 'read a secret that the policy does not allow'
curl -s ${url}/api/v1/secrets/demo/payments/db -H "Authorization: Bearer $SESSION"; echo
: 'from here on the command line, as an operator'
qm() { ${program} "$@"; }; operator() { qm "$@" --url ${url} --token-file ${quoted(files.operatorToken)}; }
operator ls demo; operator get demo/shop/db
: 'rotate the password, and list who holds which version: the pod above still holds the old one'
operator rotate run demo/shop/db --comment 'try it'; sleep 1; operator rotate status demo/shop/db
: 'search the audit log'
operator audit search --limit 5
: 'write files for an application, as the sidecar does; without --once it keeps them current'
qm agent --config ${quoted(files.agentConfig)} --once && ls -lA ${secrets} && cat ${secrets}/db.env
: 'export the log and verify it offline, against a copy of the checkpoint from before the export'
EXPORT=${exported}$(date +%s); cp ${quoted(files.checkpoint)} "$EXPORT.checkpoint" && operator audit export "$EXPORT" && qm audit verify "$EXPORT" --checkpoint "$EXPORT.checkpoint"
`;
}

/** Quotes a word for bash and zsh, if it needs quotes. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
