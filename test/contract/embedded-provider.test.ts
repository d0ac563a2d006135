import { onSqlite } from '../kit/embedded-fixture.ts';
import { embeddedProviderContract } from './embedded-provider.contract.ts';

embeddedProviderContract('SQLite', onSqlite);
