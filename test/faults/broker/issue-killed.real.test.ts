import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUsersToOrder, postgresRoles } from '../../kit/credentials-of-databases.ts';
import { kubernetesTokens, vaultCredentials } from '../../kit/credentials-of-providers.ts';
import { nothingIsLeft } from '../../kit/dynamic-credentials.ts';

describeWith(['kube'], 'kube-apiserver', (backends) => {
  nothingIsLeft('kube-apiserver', () => kubernetesTokens(backends));
});
describeWith(['openbao'], 'OpenBao', (backends) => {
  nothingIsLeft('OpenBao', () => vaultCredentials(backends));
});
describeWith(['postgres'], 'PostgreSQL', (backends) => {
  nothingIsLeft('PostgreSQL', () => postgresRoles(backends));
});
describeWith(['mariadb'], 'MariaDB', (backends) => {
  nothingIsLeft('MariaDB', () => mysqlUsersToOrder(backends));
});
