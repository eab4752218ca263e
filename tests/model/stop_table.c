/* Prints the table of core/stop.h for the model (docs/model/stop.pml): names as macros, the cells as C arrays that pan
 * reads. So what Spin checks is the table that andon runs. */
#include <stdio.h>
#include "core/stop.h"

static void cells(const char *name, bool next)
{
    printf("c_decl {\n    static const int %s[%d][%d] = {\n", name, STOP_PHASES, STOP_SIGNALS);
    for (int p = 0; p < STOP_PHASES; p++)
        for (int g = 0; g < STOP_SIGNALS; g++) {
            struct stop_cell c = stop_cell((enum stop_phase)p, (enum stop_signal)g, NULL);
            printf("        [%s][%s] = ", stop_phase_name((enum stop_phase)p), stop_signal_name((enum stop_signal)g));
            if (next)
                printf("%s,\n", stop_phase_name(c.next));
            else
                printf("0x%x,\n", c.did);
        }
    puts("    };\n}");
}

int main(void)
{
    puts("/* Made by tests/model/stop_table.c from core/stop_table.c. */");
    for (int i = 0; i < STOP_PHASES; i++)
        printf("#define %s %d\n", stop_phase_name((enum stop_phase)i), i);
    for (int i = 0; i < STOP_SIGNALS; i++)
        printf("#define %s %d\n", stop_signal_name((enum stop_signal)i), i);
    for (int i = 0; i < STOP_DIDS; i++)
        printf("#define DID_%s %u\n", stop_did_name(i) + 5, 1u << i);
    cells("stop_next", true);
    cells("stop_did", false);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
