/* Policies of the configuration beside the ledgers of what runs: for doctor and `andon policy check`. */
#ifndef ANDON_CLI_LEDGER_H
#define ANDON_CLI_LEDGER_H

#include "audit/log.h"
#include "core/trial_account.h"

/* What the policy says otherwise than the terms by which this rollout's tests run, in words; "" when nothing, when they
 * have not begun, or when the log cannot be read. `spec` is of the log. */
void ledger_differs(const struct audit_spec *spec, const struct rollout_identity *who, const struct policy *p,
                    char out[ACCOUNT_TEXT]);

#endif
