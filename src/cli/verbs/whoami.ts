import type { components } from '../../client/index.ts';
import { findTarget, type ConnectionOptions } from '../connection.ts';
import type { Call, CliContext } from '../context.ts';
import { fields } from '../output/table.ts';
import { isSessionToken, whoIs, type Identity } from '../who-is.ts';

/** Says as whom the broker knows the caller, and until when. */
export async function runWhoami(
  { broker, environment, output }: CliContext,
  { options }: Call<ConnectionOptions>,
): Promise<void> {
  const { profile, profileName } = await findTarget(options, environment);
  const { login } = profile;
  const isSession = login.kind === 'workload' || isSessionToken(login.token);
  const identity = await whoIs(await broker(), isSession);
  await output.show(identity, () =>
    fields([['profile', profileName], ['broker', profile.url], ...lines(identity)]),
  );
}

function lines(identity: Identity): readonly (readonly [string, unknown])[] {
  if ('operator' in identity) {
    const { operator, id, grants, sourceCidrs, endsAt } = identity.operator;
    return [
      ['operator', operator],
      ['token', id],
      ['roles', grants.map(grantText)],
      ['from', sourceCidrs.length === 0 ? 'anywhere' : sourceCidrs],
      ['ends', endsAt],
    ];
  }
  const { workload, id, endsAt } = identity.session;
  return [
    ['workload', workload.id],
    ['pod', workload.pod?.name],
    ['session', id],
    ['ends', endsAt],
  ];
}

export function grantText({ role, scope = [] }: components['schemas']['Grant']): string {
  return scope.length === 0 ? role : `${role} (${scope.join(' ')})`;
}
