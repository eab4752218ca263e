#include "tests/audit/fault_vfs.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

struct fault {
    int left; /* operations until it strikes; 0 = not armed */
    enum fault_how how;
    bool sticky, struck;
};
static struct fault faults[FAULT_KINDS], mem;

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static bool strikes(struct fault *f)
{
    if (f->left == 0)
        return false;
    if (f->left > 1) {
        f->left--;
        return false;
    }
    f->struck = true;
    if (!f->sticky)
        f->left = 0;
    return true;
}

static int code(const struct fault *f, int ioerr)
{
    return f->how == FAULT_FULL ? SQLITE_FULL : ioerr;
}

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

static int x_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}

static int x_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return strikes(&faults[FAULT_READ]) ? SQLITE_IOERR_READ : real(f)->pMethods->xRead(real(f), p, n, at);
}

static int x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (strikes(&faults[FAULT_WRITE])) {
        if (faults[FAULT_WRITE].how == FAULT_SHORT)
            real(f)->pMethods->xWrite(real(f), p, n / 2, at);
        return code(&faults[FAULT_WRITE], SQLITE_IOERR_WRITE);
    }
    return real(f)->pMethods->xWrite(real(f), p, n, at);
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return strikes(&faults[FAULT_WRITE]) ? SQLITE_IOERR_TRUNCATE : real(f)->pMethods->xTruncate(real(f), n);
}

static int x_sync(sqlite3_file *f, int flags)
{
    return strikes(&faults[FAULT_SYNC]) ? SQLITE_IOERR_FSYNC : real(f)->pMethods->xSync(real(f), flags);
}

static int x_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real(f)->pMethods->xFileSize(real(f), n);
}

static int x_lock(sqlite3_file *f, int l)
{
    return real(f)->pMethods->xLock(real(f), l);
}

static int x_unlock(sqlite3_file *f, int l)
{
    return real(f)->pMethods->xUnlock(real(f), l);
}

static int x_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}

static int x_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int x_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}

static int x_device(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int x_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}

static int x_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void x_shm_barrier(sqlite3_file *f)
{
    real(f)->pMethods->xShmBarrier(real(f));
}

static int x_shm_unmap(sqlite3_file *f, int remove)
{
    return real(f)->pMethods->xShmUnmap(real(f), remove);
}

static const sqlite3_io_methods METHODS = {
    2,         x_close,  x_read,   x_write,   x_truncate, x_sync,        x_size,      x_lock, x_unlock, x_reserved,
    x_control, x_sector, x_device, x_shm_map, x_shm_lock, x_shm_barrier, x_shm_unmap, NULL,   NULL};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    sqlite3_vfs *under = v->pAppData;
    struct file *mine = (struct file *)(void *)f;
    mine->real = (sqlite3_file *)(void *)(mine + 1);
    int rc = under->xOpen(under, name, mine->real, flags, out);
    f->pMethods = mine->real->pMethods ? &METHODS : NULL;
    return rc;
}

static sqlite3_mem_methods plain;

static void *m_malloc(int n)
{
    return strikes(&mem) ? NULL : plain.xMalloc(n);
}

static void *m_realloc(void *p, int n)
{
    return strikes(&mem) ? NULL : plain.xRealloc(p, n);
}

void fault_install(void)
{
    static sqlite3_vfs vfs;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
    sqlite3_mem_methods failing = plain;
    failing.xMalloc = m_malloc;
    failing.xRealloc = m_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* else small allocations never reach the allocator */
    sqlite3_initialize();
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);
    vfs = *under;
    vfs.zName = "fault";
    vfs.pAppData = under;
    vfs.szOsFile = (int)sizeof(struct file) + under->szOsFile;
    vfs.xOpen = v_open;
    vfs.pNext = NULL;
    sqlite3_vfs_register(&vfs, 1);
}

void fault_arm(enum fault_kind kind, enum fault_how how, int nth, bool sticky)
{
    faults[kind] = (struct fault){.left = nth, .how = how, .sticky = sticky};
}

void fault_arm_malloc(int nth, bool sticky)
{
    mem = (struct fault){.left = nth, .sticky = sticky};
}

bool fault_disarm(void)
{
    bool struck = mem.struck;
    for (int i = 0; i < FAULT_KINDS; i++) {
        struck = struck || faults[i].struck;
        faults[i] = (struct fault){0};
    }
    mem = (struct fault){0};
    return struck;
}
