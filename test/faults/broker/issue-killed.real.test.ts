import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUserCredentials, postgresRoles } from '../../kit/leases/database-credentials.ts';
import { kubernetesTokens, vaultCredentials } from '../../kit/leases/provider-credentials.ts';
import { leavesNothingAfterKill } from '../../kit/leases/dynamic-credentials.ts';

describeWith(['kube'], 'kube-apiserver', (backends) => {
  leavesNothingAfterKill('kube-apiserver', () => kubernetesTokens(backends));
});
describeWith(['openbao'], 'OpenBao', (backends) => {
  leavesNothingAfterKill('OpenBao', () => vaultCredentials(backends));
});
describeWith(['postgres'], 'PostgreSQL', (backends) => {
  leavesNothingAfterKill('PostgreSQL', () => postgresRoles(backends));
});
describeWith(['mariadb'], 'MariaDB', (backends) => {
  leavesNothingAfterKill('MariaDB', () => mysqlUserCredentials(backends));
});
