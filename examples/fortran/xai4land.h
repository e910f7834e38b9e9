/* Emulators of xai4land in the process of a C or Fortran program. See README.md.

   Each function returns XAI4LAND_OK or another code; xai4land_message() then says what was wrong,
   what was expected, and how to mend it. No error ends the program. After an error the emulator is
   as it was before the call. */
#ifndef XAI4LAND_H
#define XAI4LAND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum xai4land_code {
    XAI4LAND_OK = 0,
    XAI4LAND_INPUT = 1,      /* something that was given does not fit */
    XAI4LAND_COUPLING = 2,   /* the run cannot go on, or its checkpoint is damaged */
    XAI4LAND_FILE = 3,       /* a file that cannot be read or written */
    XAI4LAND_EMULATOR = 4,   /* the emulator or a plugin is damaged */
    XAI4LAND_PYTHON = 5,     /* Python cannot be started, or was ended */
    XAI4LAND_UNEXPECTED = 6  /* anything else; please report it */
};

enum xai4land_type {
    XAI4LAND_FLOAT = 0,   /* float, real(c_float) */
    XAI4LAND_DOUBLE = 1,  /* double, real(c_double) */
    XAI4LAND_INT32 = 2,   /* int32_t, integer(c_int32_t) */
    XAI4LAND_UINT8 = 3    /* uint8_t; Fortran has no such type, take XAI4LAND_INT32 */
};

#define XAI4LAND_DIMS 4 /* most dimensions of an output */

/* The emulator of a run file; the first call starts Python. */
int xai4land_open(const char *run_file, int64_t *model);

/* Names of the "inputs" or "outputs", one a line. */
int xai4land_names(int64_t model, const char *kind, char *names, size_t size);

/* Sizes in C's order: leading ones (such as classes), rows, columns; then 0. */
int xai4land_shape(int64_t model, const char *name, int64_t sizes[XAI4LAND_DIMS]);

/* Degrees north of the rows and degrees east of the columns. */
int xai4land_coordinates(int64_t model, const char *name, double *lat, int64_t rows, double *lon,
                         int64_t columns);

/* "units", "long_name", "flag_values", "flag_meanings", ...; empty if there is none. */
int xai4land_attribute(int64_t model, const char *name, const char *attribute, char *text,
                       size_t size);

/* Width of a window in degrees: nearer to its edge, a map depends on where the domain was cut. */
int xai4land_halo(int64_t model, double *degrees);

/* Steps that are done (a checkpoint may have some), and all of the run file's. */
int xai4land_steps(int64_t model, int64_t *done, int64_t *all);

/* Date of the last step as YYYY-MM-DD; empty before the first. */
int xai4land_time(int64_t model, char *time, size_t size);

/* Takes a field for the next step; the array may be changed or freed afterwards. */
int xai4land_set(int64_t model, const char *name, int type, const void *values,
                 const int64_t *sizes, int dims);

/* Makes the outputs, at a year or date, or with "" at that of the run file's next step. */
int xai4land_step(int64_t model, const char *time);

/* Writes an output of the last step to an array. */
int xai4land_get(int64_t model, const char *name, int type, void *values, const int64_t *sizes,
                 int dims);

/* Writes the state to a file, with "" to the one that the run file names. */
int xai4land_checkpoint(int64_t model, const char *path);
int xai4land_restore(int64_t model, const char *path);

/* Writes the run file's checkpoint, if it names one, and forgets the emulator. */
int xai4land_close(int64_t model);

/* Ends Python, if it was started here; it cannot start again in this process. To be called by the
   thread of the first xai4land_open, when no other thread is in a call. */
int xai4land_finalise(void);

/* UTF-8; of this thread's last call that failed, until the next one that does. */
const char *xai4land_message(void);

#ifdef __cplusplus
}
#endif
#endif
