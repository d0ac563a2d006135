import { confirm } from '../connection/confirm.ts';
import { fromEnvironment, openClient, readText } from '../connection/connection.ts';
import type { ConnectionOptions } from '../connection/connection.ts';
import { printable } from '../output/printable.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';

/** Prints a code alone, so that a pipe can put it into a Secret. */
export async function runEnroll(
  { broker, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('enrollCluster', { path: { name } });
  await output.show(body, () => body.code);
  output.note(`the code is for the cluster ${name}, once, until ${body.endsAt}`);
}

interface JoinOptions extends ConnectionOptions {
  readonly codeFile: string;
  readonly podTokenFile: string;
}

/** Enrols the cluster that this process runs in. It needs no login: the code admits it. */
export async function runJoin(
  { environment, output, signal }: CliContext,
  { args: [name = ''], options }: Call<JoinOptions>,
): Promise<void> {
  const { codeFile, podTokenFile, ...given } = options;
  const { url, ca } = { ...fromEnvironment(environment), ...defined(given) };
  if (url === undefined) throw new UsageError('cluster join needs --url https://HOST:PORT');
  const body = {
    code: (await readText(codeFile)).trim(),
    token: (await readText(podTokenFile)).trim(),
  };
  const client = await openClient({ url, ...defined({ caFile: ca }) }, (text) => output.note(text));
  try {
    const joined = (await client.call('joinCluster', { path: { name }, body, signal })).body;
    await output.show(
      joined,
      () =>
        `the cluster ${joined.cluster} has enrolled; the broker renews its credential before ${joined.endsAt}`,
    );
  } finally {
    client.close();
  }
}

/** Ends the code and the credential of a cluster. */
export async function runUnenroll(
  context: CliContext,
  { args: [name = ''], options }: Call<{ readonly yes?: boolean }>,
): Promise<void> {
  await confirm(
    context,
    (url) => `End the enrolment of the cluster ${printable(name)} at ${url}? Its logins stop`,
    options.yes,
  );
  await (await context.broker()).call('endEnrolment', { path: { name } });
  await context.output.say(
    `the enrolment of ${name} has ended; delete the Secret of its account in the cluster, which revokes the credential itself`,
  );
}
