import { FakeAws } from '../kit/fakes/fake-aws.ts';
import { awsFixture } from '../kit/aws/aws-fixture.ts';
import { awsProviderContract } from './aws-provider.contract.ts';
import { secretProviderContract } from './secret-provider.contract.ts';

awsProviderContract('the fake', async () => {
  const fake = await FakeAws.start();
  return { endpoint: fake.endpoint, base: 'prod/', stop: () => fake.close() };
});

secretProviderContract('AWS Secrets Manager on the fake', async () => {
  const fake = await FakeAws.start();
  const fixture = await awsFixture(fake.endpoint, 'prod/');
  return {
    ...fixture,
    async close() {
      await fixture.close();
      await fake.close();
    },
  };
});
