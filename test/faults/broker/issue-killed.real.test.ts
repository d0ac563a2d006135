import { describeWith } from '../../kit/backends/backends.ts';
import { mysqlUsersToOrder, postgresRoles } from './made-in-databases.ts';
import { kubernetesTokens, vaultCredentials } from './made-by-providers.ts';
import { nothingIsLeft } from './made-to-order.ts';

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
