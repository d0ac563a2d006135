import { AccountReceiver } from './account-receiver.ts';
import type { Rotating } from './rotating.ts';

/** Creates an account behind a signed webhook. */
export async function webhookAccount(path: string): Promise<Rotating> {
  const receiver = await AccountReceiver.start();
  const target = 'accounts/app';
  const password = 'the password at first';
  receiver.allow(target, password);
  return {
    path,
    connections: { target: receiver.connection() },
    first: { password, other: 'kept' },
    rotation: { connection: 'target', strategy: 'webhook', options: { target, slots: 'two' } },
    logsIn: (data) => Promise.resolve(receiver.accepts(target, data['password'])),
    close: () => receiver.stop(),
  };
}
