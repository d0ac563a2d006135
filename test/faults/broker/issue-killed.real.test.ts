import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUserCredentials, postgresRoles } from '../../kit/leases/database-credentials.ts';
import { kubernetesTokens, vaultCredentials } from '../../kit/leases/provider-credentials.ts';
import { leavesNothingAfterKill } from '../../kit/leases/dynamic-credentials.ts';

const title = 'F18: a broker killed while it issues credentials (I2)';
describeWith(['kube', 'openbao', 'postgres', 'mariadb'], title, (backends) => {
  leavesNothingAfterKill({
    'kube-apiserver': () => kubernetesTokens(backends),
    OpenBao: () => vaultCredentials(backends),
    PostgreSQL: () => postgresRoles(backends),
    MariaDB: () => mysqlUserCredentials(backends),
  });
});
