import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { RotationTurn, TargetVerdict } from '../../../ports/rotation-target.ts';
import { checkHost } from '../../rotator/values.ts';
import { SqlSingleUser } from '../../sql/single-user.ts';
import type { PostgresAccounts } from './accounts.ts';

/** One role with one password: the new password ends the old one. */
export class SingleUser extends SqlSingleUser<PostgresAccounts> {
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.accounts);
    await this.install(turn, this.login(pending));
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    const { keys, username } = this.options;
    if (data[keys.username] !== username) return { accepted: false, reason: 'username_mismatch' };
    return this.accounts.test(this.login(data), context);
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    const { username } = this.login(pending);
    if (turn.current !== undefined) await this.install(turn, this.login(turn.current));
    else await this.accounts.removePassword(turn, username);
  }

  protected checkUser(current: SecretData): void {
    this.login(current);
  }
}
