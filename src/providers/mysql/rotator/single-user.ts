import { generatePassword } from '../../../crypto/random/generated-value.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { RotationTurn, TargetVerdict } from '../../../ports/rotation-target.ts';
import { checkHost, conflict } from '../../rotator/values.ts';
import { SqlSingleUser } from '../../sql/single-user.ts';
import type { MysqlAccounts } from './accounts.ts';

/** One user whose password is replaced: from then on the old password does not log in. */
export class SingleUser extends SqlSingleUser<MysqlAccounts> {
  async set(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(pending, this.accounts);
    await this.install(turn, this.login(pending));
  }

  async test(data: SecretData, context: CallContext): Promise<TargetVerdict> {
    checkHost(data, this.accounts);
    return this.accounts.test(this.login(data), context);
  }

  async discard(turn: RotationTurn, pending: SecretData): Promise<void> {
    checkHost(turn.current, this.accounts);
    const login = this.login(pending);
    const isSet = await this.accounts.logsIn(login, turn.context);
    if (turn.current !== undefined) {
      const before = this.login(turn.current);
      if (isSet || !(await this.accounts.logsIn(before, turn.context))) {
        await this.accounts.setPassword(turn, before);
      }
    } else if (isSet) {
      // No earlier password is known; the pending one must stop working.
      const password = new Sensitive(generatePassword({}));
      await this.accounts.setPassword(turn, { ...login, password });
    }
  }

  protected checkUser(current: SecretData): void {
    if (current[this.options.keys.username] !== this.options.username) {
      throw conflict('username_mismatch', 'the value names a user that the definition does not');
    }
  }
}
