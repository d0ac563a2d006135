import { systemClock } from '../../src/process/clock.ts';
import { archiveBucket } from '../../src/providers/aws/archive-bucket.ts';
import { createBucket } from '../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { archivePlaceContract } from './archive-storage.contract.ts';

describeWith(['moto'], 'moto', ({ moto }) => {
  archivePlaceContract('a bucket', async () => {
    setCredentials();
    const { endpoint } = moto;
    const bucket = await createBucket(endpoint);
    const common = { region: REGION, endpoint, prefix: 'quaymaster/prod' };
    return {
      place: await archiveBucket({ ...common, bucket }, systemClock),
      refusing: await archiveBucket({ ...common, bucket: `${bucket}-absent` }, systemClock),
      close: () => Promise.resolve(),
    };
  });
});
