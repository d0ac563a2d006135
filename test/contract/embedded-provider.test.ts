import { onSqlite } from '../kit/providers/embedded-fixture.ts';
import { embeddedProviderContract } from './embedded-provider.contract.ts';

embeddedProviderContract('SQLite', onSqlite);
