import { afterAll, beforeAll, describe } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Running } from '../../kit/backends/footprint.ts';
import type { Moto } from '../../kit/backends/moto.ts';
import { scriptedAwsRole } from '../../kit/rotation/vault-aws-role.ts';
import { databaseRole } from '../../kit/rotation/vault-database-role.ts';
import { iamUser, strictMoto } from '../../kit/aws/iam-user.ts';
import { followedAt, rotatingAt } from '../../kit/rotation/made-at.ts';
import { ownRotation } from '../../kit/rotation/own-rotation.ts';
import {
  writtenToAws,
  writtenToKubernetes,
  writtenToVault,
} from '../../kit/rotation/written-elsewhere.ts';
import { strategies } from '../../kit/rotation/strategy.ts';

const strategy = strategies();

describeWith(['openbao', 'postgres'], 'F01 to F05: OpenBao', ({ openbao, postgres }) => {
  strategy('a static role', {
    path: 'own/app',
    isWhole: true,
    isAhead: true,
    open: async () => rotatingAt('own/app', await databaseRole(openbao, postgres)),
  });
  strategy('a generated value in its KV version 2', {
    path: 'made/db',
    isGenerated: true,
    isWhole: true,
    open: () => writtenToVault(openbao),
  });
});

describeWith(['kube'], 'F01 to F05: kube-apiserver', ({ kube }) => {
  strategy('a generated value in a Secret', {
    path: 'made/db',
    isGenerated: true,
    open: () => writtenToKubernetes(kube),
  });
});

describeWith(['moto'], 'F01 to F05: moto', ({ moto }) => {
  strategy("a secret with AWS's own rotation", {
    path: 'aws/db',
    isAhead: true,
    open: () => ownRotation(moto),
  });
  strategy('a generated value in Secrets Manager', {
    path: 'made/db',
    isGenerated: true,
    open: () => writtenToAws(moto),
  });

  describe('with signature checks', () => {
    let strict: Running<Moto>;
    beforeAll(async () => {
      strict = await strictMoto();
    });
    afterAll(() => strict.stop());

    strategy('an access key of an IAM user', {
      path: 'own/app',
      isWhole: true,
      isBehind: true,
      open: () => rotatingAt('own/app', iamUser(strict)),
    });
    strategy('a static role of an AWS engine with an expired period', {
      path: 'own/app',
      isWhole: true,
      isAhead: true,
      outlives: true,
      open: async () => followedAt('own/app', await scriptedAwsRole(strict)),
    });
  });
});
