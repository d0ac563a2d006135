import { BrokerError } from '../../../src/domain/errors.ts';
import { connect, CONTEXT, setCredentials } from './aws-connection.ts';
import { FakeAws } from '../fakes/fake-aws.ts';

/**
 * Prints the reports of broken connections. It is a separate process: in jest's realm the SDK does not recognize Node's errors and hides
 * their codes.
 */
setCredentials();
const fake = await FakeAws.start();
const connection = await connect(fake.endpoint, { maxRetries: 0 });
const provider = connection.mount({ namePrefix: 'prod/' });
const told: Record<string, unknown> = {};

for (const fault of ['cut', 'reset'] as const) {
  fake.script(fault);
  told[fault] = await provider
    .read('prod/db', undefined, CONTEXT)
    .catch((error: unknown) => (error instanceof BrokerError ? error.code : String(error)));
}
fake.script('reset');
told['check'] = (await connection.check(CONTEXT)).findings;
await fake.close();
told['down'] = (await connection.check(CONTEXT)).findings;
await connection.close();
process.stdout.write(JSON.stringify(told));
