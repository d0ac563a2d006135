import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUserCredentials, postgresRoles } from '../../kit/credentials-of-databases.ts';
import { kubernetesTokens, vaultCredentials } from '../../kit/credentials-of-providers.ts';
import { leavesNothingAfterKill } from '../../kit/dynamic-credentials.ts';

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
