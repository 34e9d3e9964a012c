//! The code that all model.cc share: settings, weights, examples, the loop over examples, scores.
/*! In modelDefinition, model.cc declares the parts of its network to a tgenn::Network, besides its calls of GeNN. Its
    simulate() calls that network.

    Settings are environment variables, with defaults in brackets:

        TGENN_RUN_DATA          the folder with the examples (examples)
        TGENN_RUN_LIMIT         use only the first N examples (all)
        TGENN_RUN_SHARD         I/N: only the examples I, I + N, I + 2 N, ...; auto: those of this task of a Slurm array
        TGENN_RUN_TIMESTEPS     time steps per example (those of network.yaml)
        TGENN_RUN_BATCH_SIZE    examples at a time (1 on the CPU, which takes no more; on a GPU 128)
        TGENN_RUN_CONNECTIVITY  synapses that share weights: sparse, toeplitz or auto (auto: toeplitz on a GPU, and
                                on a CPU where sparse takes more than 4 GiB)
        TGENN_RUN_SEED          seed of random numbers, if the network uses any (0)
        TGENN_RUN_OUTPUT        a folder to write outputs and spike counts to (none)

    Files, relative to the working folder; .npy files as np.save writes them, little-endian, in C order:

        weights/                the network's weights, and SHA256SUMS with their hashes
        examples/<input>.npy    (n, *shape), or (n, frames, *shape), float32 as for the ANN; or uint8, which is divided
                                by uint8_divisor
        examples/<output>.npy   targets, optional: class numbers, integers (n, *shape without its last axis); 0/1
                                labels (n, *shape), for sigmoid or one value; or values (n, *shape)
        $TGENN_RUN_OUTPUT/output.npy, or output/<population>.npy where there are several
                                (n, *shape) float32, as the ANN gives them
        $TGENN_RUN_OUTPUT/spike_counts/<population>.npy
                                (n, neurons) uint32: the number of spikes, of +1 and of -1 together
        $TGENN_RUN_OUTPUT/net_counts/<population>.npy
                                (n, neurons) int32: spikes of +1 minus spikes of -1
        generator, *_CODE/      what genn-buildmodel.sh makes; they can be deleted

    ./generator prints the accuracy, or error, as its last line. An error is one line on stderr, before GeNN generates
    code, and an exit status that is not 0. Runs at the same time need separate folders: GeNN's generator writes its
    files at every start. */
#pragma once

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>  // isatty, environ

#ifndef TGENN_WITHOUT_GENN  // tests without GeNN define it
#include "modelSpec.h"
#include "runtime/runtime.h"
#endif

extern "C" char **environ;

namespace tgenn
{
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

//! The SHA-256 of bytes (FIPS 180-4), 64 hexadecimal digits in lower case
inline std::string sha256(const std::string &bytes)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const auto rotate = [](uint32_t x, unsigned int n) { return (x >> n) | (x << (32 - n)); };
    const auto addBlock = [&](const std::string &text, size_t start) {
        uint32_t w[64];
        for(size_t i = 0; i < 16; i++) {
            w[i] = 0;
            for(size_t byte = 0; byte < 4; byte++) {
                w[i] = (w[i] << 8) | static_cast<unsigned char>(text[start + 4 * i + byte]);
            }
        }
        for(size_t i = 16; i < 64; i++) {
            const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
            const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t v[8];
        std::copy(hash, hash + 8, v);
        for(size_t i = 0; i < 64; i++) {
            const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            const uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
            const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            const uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            std::copy_backward(v, v + 7, v + 8);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for(size_t i = 0; i < 8; i++) {
            hash[i] += v[i];
        }
    };

    // All complete blocks, then the rest with a bit 1, zeros and the number of bits
    const size_t whole = bytes.size() / 64 * 64;
    for(size_t start = 0; start < whole; start += 64) {
        addBlock(bytes, start);
    }
    std::string tail = bytes.substr(whole) + '\x80';
    tail.append((120 - tail.size() % 64) % 64, '\0');
    for(unsigned int shift = 64; shift > 0; shift -= 8) {
        tail += static_cast<char>(static_cast<uint64_t>(bytes.size()) * 8 >> (shift - 8) & 0xff);
    }
    for(size_t start = 0; start < tail.size(); start += 64) {
        addBlock(tail, start);
    }

    std::ostringstream digits;
    for(const uint32_t word : hash) {
        digits << std::hex << std::setw(8) << std::setfill('0') << word;
    }
    return digits.str();
}

//! A shape as Python writes it: (7, 10, 2) or (7,)
inline std::string shapeText(const std::vector<size_t> &shape)
{
    std::string text;
    for(const size_t length : shape) {
        text += (text.empty() ? "" : ", ") + std::to_string(length);
    }
    return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

//! Text of a user or a file for a message: one line, at most 60 characters
inline std::string printable(const std::string &text)
{
    std::string shown = text.substr(0, 60);
    std::replace_if(shown.begin(), shown.end(), [](unsigned char c) { return c < 32 || c > 126; }, '?');
    return shown + (text.size() > shown.size() ? "..." : "");
}

//! Elements of an array of this shape; the largest size_t if they are too many
inline size_t elements(const std::vector<size_t> &shape)
{
    size_t count = 1;
    for(const size_t length : shape) {
        if(length == 0) {
            return 0;
        }
        const bool fits = count <= std::numeric_limits<size_t>::max() / length;
        count = fits ? count * length : std::numeric_limits<size_t>::max();
    }
    return count;
}

//! An .npy file that is read in parts: numbers, little-endian, in C order
/*! The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    Only the header is read before it is checked against the file's size. */
class NpyReader
{
public:
    explicit NpyReader(const std::string &path)
    :   m_Path(path)
    {
        std::error_code ignored;
        if(std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
            fail("is not a regular file");
        }
        errno = 0;
        m_File.open(path, std::ios::binary | std::ios::ate);
        if(!m_File) {
            fail("cannot be read: " + std::generic_category().message(errno));
        }
        const size_t size = static_cast<size_t>(m_File.tellg());
        readHeader();

        const size_t count = elements(m_Shape), held = size - m_Start;
        if(count > held || held != count * itemSize()) {
            fail("has " + std::to_string(held) + " bytes of data, which is not the size of " + m_Type + " "
                 + printable(shapeText(m_Shape)));
        }
    }

    const std::string &path() const { return m_Path; }

    //! As NumPy writes it, "<f4" for instance
    const std::string &type() const { return m_Type; }

    const std::vector<size_t> &shape() const { return m_Shape; }
    size_t rows() const { return m_Shape[0]; }

    //! Rows first to first + count - 1
    template<typename T>
    std::vector<T> read(size_t first, size_t count)
    {
        const size_t width = elements({m_Shape.begin() + 1, m_Shape.end()});
        return readElements<T>(first * width, count * width);
    }

    //! `count` elements from `first` on, in C order
    template<typename T>
    std::vector<T> readElements(size_t first, size_t count)
    {
        if(m_Type == "<f4") { return converted<T, float>(first, count); }
        if(m_Type == "<f8") { return converted<T, double>(first, count); }
        if(m_Type == "<i4") { return converted<T, int32_t>(first, count); }
        if(m_Type == "<i8") { return converted<T, int64_t>(first, count); }
        return converted<T, uint8_t>(first, count);
    }

private:
    static constexpr size_t MAX_HEADER = 1024;  // enough for the largest number of axes

    [[noreturn]] void fail(const std::string &problem) const
    {
        throw std::runtime_error(m_Path + ": " + problem);
    }

    //! Type, shape and start of the data: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
    void readHeader()
    {
        char start[12] = {};
        m_File.seekg(0).read(start, 12);
        if(!m_File || std::string(start, 6) != "\x93NUMPY" || start[6] < 1 || start[6] > 3) {
            fail("is not an .npy file: make it with tgenn data");
        }
        m_Start = (start[6] == 1) ? 10 : 12;
        size_t length = 0;
        for(size_t byte = m_Start; byte > 8; byte--) {
            length = (length << 8) | static_cast<unsigned char>(start[byte - 1]);
        }
        std::string header(std::min(length, MAX_HEADER), ' ');
        m_File.seekg(static_cast<std::streamoff>(m_Start));
        m_File.read(header.data(), static_cast<std::streamsize>(header.size()));
        m_Type = field(header, "'descr'", "'");
        const std::string order = field(header, "'fortran_order'", ",}");
        const std::string lengths = field(header, "'shape'", ")");
        const bool isShape = header.find(')') != std::string::npos
                             && lengths.find_first_not_of("0123456789, ") == std::string::npos;
        const bool isOrder = order == "True" || order == "False";
        if(!m_File || length > MAX_HEADER || m_Type.empty() || !isOrder || !isShape) {
            fail("has a damaged header, or no numbers: make it with tgenn data");
        }
        m_Start += length;
        std::istringstream words(lengths);
        for(std::string word; std::getline(words, word, ',');) {
            word.erase(std::remove(word.begin(), word.end(), ' '), word.end());
            if(!word.empty()) {
                m_Shape.push_back(std::stoull(word.substr(0, 19)));  // no file has a longer one
            }
        }
        if(m_Shape.empty()) {
            fail("is a single number, expected an array");
        }
        if(itemSize() == 0) {
            fail("has type " + printable(m_Type) + ", expected <f4, <f8, <i4, <i8 or |u1: make it with tgenn data");
        }
        if(order == "True" && m_Shape.size() > 1) {
            fail("is in Fortran order: save numpy.ascontiguousarray of it");
        }
    }

    //! The value of a key, which ends before one of `ends`; "" without that key
    static std::string field(const std::string &header, const std::string &key, const std::string &ends)
    {
        const size_t at = header.find(key);
        const size_t value = (at == std::string::npos) ? at : at + key.size();
        const size_t begin = header.find_first_not_of(": '(", value);
        const size_t end = header.find_first_of(ends, begin);
        return (end == std::string::npos) ? "" : header.substr(begin, end - begin);
    }

    //! Bytes of one element; 0 for a type that is not supported
    size_t itemSize() const
    {
        static const std::map<std::string, size_t> sizes = {
            {"<f4", 4}, {"<f8", 8}, {"<i4", 4}, {"<i8", 8}, {"|u1", 1}};
        const auto size = sizes.find(m_Type);
        return (size == sizes.end()) ? 0 : size->second;
    }

    template<typename T, typename From>
    std::vector<T> converted(size_t first, size_t count)
    {
        std::vector<From> values(count);
        m_File.clear();
        m_File.seekg(static_cast<std::streamoff>(m_Start + first * sizeof(From)));
        m_File.read(reinterpret_cast<char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(From)));
        if(!m_File) {
            fail("cannot be read: it has changed since it was opened, or the disk is damaged");
        }
        if constexpr(std::is_same_v<T, From>) {
            return values;
        }
        else {
            std::vector<T> result;
            result.reserve(values.size());
            for(const From value : values) {
                result.push_back(static_cast<T>(value));
            }
            return result;
        }
    }

    std::string m_Path;
    std::ifstream m_File;
    std::string m_Type;
    std::vector<size_t> m_Shape;
    size_t m_Start = 0;
};

//! Writes an .npy file in parts, as numpy.save does. The file appears complete, after close, or not at all
class NpyWriter
{
public:
    NpyWriter(const std::string &path, const std::string &type, const std::vector<size_t> &shape)
    :   m_Path(path), m_Part(path + ".part")
    {
        std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': ";
        header += shapeText(shape) + ", }";
        header.append(21 - std::to_string(shape.at(0)).size(), ' ');  // NumPy's room for a longer first axis
        header.append(64 - (header.size() + 11) % 64, ' ');
        header += '\n';
        errno = 0;
        m_File.open(m_Part, std::ios::binary | std::ios::trunc);
        m_File.write("\x93NUMPY\x01\x00", 8);
        m_File.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
        m_File << header;
        check(errno);
    }

    ~NpyWriter()
    {
        m_File.close();
        std::error_code ignored;
        if(m_Started) {
            std::filesystem::remove(m_Part, ignored);
        }
    }

    NpyWriter(const NpyWriter&) = delete;
    NpyWriter &operator=(const NpyWriter&) = delete;

    //! Writes the next elements
    void append(const void *data, size_t bytes)
    {
        errno = 0;
        m_File.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
        check(errno);
    }

    //! Finishes writing; the file still has a temporary name
    void finish()
    {
        errno = 0;
        m_File.close();
        check(errno);
        std::error_code ignored;
        if(std::filesystem::is_directory(m_Path, ignored)) {
            fail(EISDIR);
        }
    }

    //! Gives the file its name
    void close()
    {
        if(m_File.is_open()) {
            finish();
        }
        std::error_code error;
        std::filesystem::rename(m_Part, m_Path, error);
        if(error) {
            fail(error.value());
        }
    }

private:
    [[noreturn]] void fail(int reason) const
    {
        throw std::runtime_error(m_Path + ": cannot be written: " + std::generic_category().message(reason));
    }

    void check(int reason)
    {
        if(!m_File) {
            fail(reason);
        }
        m_Started = true;
    }

    std::string m_Path;
    std::string m_Part;
    std::ofstream m_File;
    bool m_Started = false;
};

//! A part of the examples: index, index + count, index + 2 count, ...
struct Shard
{
    size_t index = 0, count = 1;

    //! The number of its first, second, ... example
    size_t number(size_t place) const { return index + place * count; }
};

//! The settings of a run, from the environment variables TGENN_RUN_...
struct Settings
{
    std::string data;           //!< folder of the examples
    size_t limit;               //!< use only the first examples, so many; 0: all
    Shard shard;                //!< which of them
    unsigned int timesteps;     //!< time steps per example
    unsigned int batchSize;     //!< examples at a time; 0: as many as fit
    std::string connectivity;   //!< auto, sparse or toeplitz
    uint32_t seed;              //!< of random numbers
    std::string output;         //!< folder for results; empty: none
};

//! The value of an environment variable; an empty one counts as not set
inline std::string environmentVariable(const char *name, const std::string &otherwise)
{
    const char *value = std::getenv(name);
    return (value == nullptr || *value == '\0') ? otherwise : value;
}

//! A whole number from low to high, or `otherwise` if the variable is not set
inline uint32_t environmentNumber(const char *name, uint32_t otherwise, uint32_t low, uint32_t high)
{
    const std::string text = environmentVariable(name, "");
    if(text.empty()) {
        return otherwise;
    }
    const bool digits = text.size() <= 10 && text.find_first_not_of("0123456789") == std::string::npos;
    const uint64_t number = digits ? std::stoull(text) : 0;
    if(!digits || number < low || number > high) {
        throw std::runtime_error(std::string(name) + ": expected a whole number from " + std::to_string(low)
                                 + " to " + std::to_string(high) + ", got '" + printable(text) + "'");
    }
    return static_cast<uint32_t>(number);
}

//! The part of the examples that TGENN_RUN_SHARD names; all if it is not set
inline Shard readShard()
{
    const uint32_t most = 999999999;
    const std::string text = environmentVariable("TGENN_RUN_SHARD", "");
    if(text.empty()) {
        return {};
    }
    if(text == "auto") {
        for(const char *name : {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"}) {
            if(environmentVariable(name, "").empty()) {
                throw std::runtime_error(std::string("TGENN_RUN_SHARD=auto: ") + name
                                         + " is not set: start the program with sbatch --array=0-3");
            }
        }
        const uint32_t count = environmentNumber("SLURM_ARRAY_TASK_COUNT", 0, 1, most);
        const uint32_t first = environmentNumber("SLURM_ARRAY_TASK_MIN", 0, 0, most);
        const uint32_t step = environmentNumber("SLURM_ARRAY_TASK_STEP", 1, 1, most);
        const uint32_t from = environmentNumber("SLURM_ARRAY_TASK_ID", 0, first, most) - first;
        if(from % step != 0 || from / step >= count) {
            throw std::runtime_error("TGENN_RUN_SHARD=auto: number the tasks of the array from 0 to "
                                     + std::to_string(count - 1));
        }
        return {from / step, count};
    }
    const size_t slash = text.find('/');
    const std::string index = text.substr(0, slash);
    const std::string count = (slash == std::string::npos) ? "" : text.substr(slash + 1);
    const auto isNumber = [](const std::string &number) {
        return !number.empty() && number.size() <= 9
               && number.find_first_not_of("0123456789") == std::string::npos;
    };
    if(!isNumber(index) || !isNumber(count) || std::stoul(index) >= std::stoul(count)) {
        throw std::runtime_error("TGENN_RUN_SHARD: expected I/N with I from 0 to N - 1, such as 0/4, or auto, got '"
                                 + printable(text) + "'");
    }
    return {std::stoul(index), std::stoul(count)};
}

//! Fails if a variable TGENN_RUN_... is not a setting
inline void checkNames(const std::vector<std::string> &names)
{
    for(char **variable = environ; *variable != nullptr; variable++) {
        const std::string text = *variable;
        const std::string name = text.substr(0, text.find('='));
        if(name.rfind("TGENN_RUN_", 0) != 0 || std::count(names.begin(), names.end(), name) > 0) {
            continue;
        }
        std::string known;
        for(const std::string &n : names) {
            known += (known.empty() ? "" : ", ") + n;
        }
        throw std::runtime_error(printable(name) + ": unknown setting, expected one of " + known);
    }
}

//! Fails if the output folder cannot be written, or is the folder of the data
inline void checkOutput(const Settings &settings)
{
    if(settings.output.empty()) {
        return;
    }
    const std::string said = "TGENN_RUN_OUTPUT=" + printable(settings.output) + ": ";
    const std::filesystem::path path = std::filesystem::absolute(settings.output);
    const std::filesystem::path parent = (path.has_filename() ? path : path.parent_path()).parent_path();
    std::error_code ignored;
    if(std::filesystem::exists(path, ignored)) {
        if(!std::filesystem::is_directory(path, ignored)) {
            throw std::runtime_error(said + "is not a folder");
        }
        for(const char *inside : {"", "output", "spike_counts", "net_counts"}) {
            if(std::filesystem::equivalent(path / inside, settings.data, ignored)) {
                throw std::runtime_error(said + "is the folder of the data");
            }
        }
    }
    else if(!std::filesystem::is_directory(parent, ignored)) {
        throw std::runtime_error(said + "there is no folder " + parent.string());
    }
}

//! Reads the settings. timesteps: the default. maxTimesteps, start: timesteps must be above start, up to maxTimesteps
inline Settings readSettings(unsigned int timesteps, unsigned int maxTimesteps, unsigned int start)
{
    checkNames({"TGENN_RUN_DATA", "TGENN_RUN_LIMIT", "TGENN_RUN_SHARD", "TGENN_RUN_TIMESTEPS",
                "TGENN_RUN_BATCH_SIZE", "TGENN_RUN_CONNECTIVITY", "TGENN_RUN_SEED", "TGENN_RUN_OUTPUT"});
    const uint32_t most = 999999999;
    Settings settings;
    settings.data = environmentVariable("TGENN_RUN_DATA", "examples");
    settings.limit = environmentNumber("TGENN_RUN_LIMIT", 0, 1, most);
    settings.shard = readShard();
    settings.timesteps = environmentNumber("TGENN_RUN_TIMESTEPS", timesteps, 1, most);
    settings.batchSize = environmentNumber("TGENN_RUN_BATCH_SIZE", 0, 1, most);
    settings.connectivity = environmentVariable("TGENN_RUN_CONNECTIVITY", "auto");
    settings.seed = environmentNumber("TGENN_RUN_SEED", 0, 0, std::numeric_limits<uint32_t>::max());
    settings.output = environmentVariable("TGENN_RUN_OUTPUT", "");

    const std::string steps = "TGENN_RUN_TIMESTEPS=" + std::to_string(settings.timesteps) + ": ";
    if(settings.timesteps > maxTimesteps) {
        throw std::runtime_error(steps + "expected at most " + std::to_string(maxTimesteps));
    }
    if(settings.timesteps <= start) {
        throw std::runtime_error(steps + "expected more than " + std::to_string(start) + ", where the readout starts");
    }
    const std::string &connectivity = settings.connectivity;
    if(connectivity != "auto" && connectivity != "sparse" && connectivity != "toeplitz") {
        throw std::runtime_error("TGENN_RUN_CONNECTIVITY: expected auto, sparse or toeplitz, got '"
                                 + printable(connectivity) + "'");
    }
    checkOutput(settings);
    return settings;
}

//! Fails if model.cc was generated from another document than this program
inline void checkIsCurrent(const std::string &path, const std::string &documentHash)
{
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if(!text.empty() && text.find(documentHash) == std::string::npos) {
        throw std::runtime_error(path + ": has changed since this program was built: build it again");
    }
}

//! An input of the network, with the values that its encoding takes
struct Input
{
    std::string name;
    std::vector<size_t> shape;
    float uint8Divisor;     //!< uint8 examples are divided by it
    float low;
    float high;
    bool binary;            //!< whether only 0 and 1 are allowed
    Floats offset;          //!< subtracted from examples: one number, or one for each channel; empty: 0
    size_t frames = 1;      //!< how many an example has; each is shown for timesteps / frames steps

    //! The shape of an example
    std::vector<size_t> exampleShape() const
    {
        std::vector<size_t> lengths = shape;
        if(frames > 1) {
            lengths.insert(lengths.begin(), frames);
        }
        return lengths;
    }
};

//! An output of the network
struct Output
{
    std::string name;
    std::vector<size_t> shape;
    std::string activation;     //!< the function of the ANN's output: softmax, sigmoid or tanh; empty: none

    size_t classes() const { return shape.back(); }
};

//! What the targets of an output are. ONE_HOT: class numbers as vectors of one 1
enum class Targets { NONE, CLASSES, ONE_HOT, LABELS, VALUES };

//! The ANN's output: its function of logits (..., width). softmax is over the last axis
inline std::vector<double> activated(const std::vector<float> &logits, const std::string &activation, size_t width)
{
    std::vector<double> outputs(logits.cbegin(), logits.cend());
    if(activation == "softmax") {
        for(auto row = outputs.begin(); row != outputs.end(); row += static_cast<std::ptrdiff_t>(width)) {
            const auto end = row + static_cast<std::ptrdiff_t>(width);
            const double largest = *std::max_element(row, end);
            std::transform(row, end, row, [&](double x) { return std::exp(x - largest); });
            const double sum = std::accumulate(row, end, 0.0);
            std::transform(row, end, row, [&](double x) { return x / sum; });
        }
    }
    else if(activation == "sigmoid") {
        std::transform(outputs.begin(), outputs.end(), outputs.begin(),
                       [](double x) { return 1 / (1 + std::exp(-x)); });
    }
    else if(activation == "tanh") {
        std::transform(outputs.begin(), outputs.end(), outputs.begin(), [](double x) { return std::tanh(x); });
    }
    return outputs;
}

//! A number as in "%g" or "%.4f"
inline std::string numberText(const char *format, double number)
{
    char text[64];
    std::snprintf(text, sizeof(text), format, number);
    return text;
}

//! The examples in a folder: INPUT.npy for each input, and targets OUTPUT.npy for outputs that have them
class Examples
{
public:
    //! Checks all examples and targets. limit: use only the first examples, so many; 0: all. shard: which of them
    Examples(const std::string &folder, const std::vector<Input> &inputs, const std::vector<Output> &outputs,
             size_t limit, const Shard &shard)
        : m_Shard(shard)
    {
        std::error_code ignored;
        if(!std::filesystem::is_directory(folder, ignored)) {
            throw std::runtime_error(folder + (std::filesystem::exists(folder, ignored)
                                               ? ": is not a folder: make one with tgenn data"
                                               : ": there is no such folder here: make it with tgenn data"));
        }
        const auto path = [&](const std::string &name) { return folder + "/" + name + ".npy"; };
        std::string lengths;
        bool equal = true;
        for(const Input &input : inputs) {
            NpyReader &file = m_Files.try_emplace(input.name, path(input.name)).first->second;
            checkInput(file, input);
            lengths += (lengths.empty() ? "" : ", ") + input.name + " " + std::to_string(file.rows());
            equal = equal && file.rows() == m_Files.at(inputs[0].name).rows();
            m_Divisors[input.name] = (file.type() == "|u1") ? input.uint8Divisor : 1.0f;
        }
        if(!equal) {
            throw std::runtime_error(folder + ": unequal numbers of examples: " + lengths);
        }
        const size_t all = m_Files.at(inputs[0].name).rows();
        for(const Output &output : outputs) {
            if(std::filesystem::exists(path(output.name), ignored)) {
                NpyReader &file = m_Files.try_emplace(output.name, path(output.name)).first->second;
                m_Targets[output.name] = checkedTargets(file, output, all);
                // uint8 images are divided by the uint8Divisor of the first input
                const bool images = file.type() == "|u1" && output.shape.size() > 1;
                m_Divisors[output.name] = images ? inputs[0].uint8Divisor : 1.0f;
            }
        }
        const size_t used = (limit == 0) ? all : std::min(limit, all);
        if(shard.index >= used) {
            throw std::runtime_error("TGENN_RUN_SHARD=" + std::to_string(shard.index) + "/"
                                     + std::to_string(shard.count) + ": has no example: there are "
                                     + std::to_string(used));
        }
        m_Count = (used - shard.index + shard.count - 1) / shard.count;
        for(const Input &input : inputs) {
            checkValues(input);
        }
    }

    //! The number of examples of the shard
    size_t count() const { return m_Count; }

    //! Examples first to first + count - 1 of an input, with all their frames; or the targets of an output
    std::vector<float> read(const std::string &name, size_t first, size_t count)
    {
        std::vector<float> values = rows<float>(name, first, count);
        divide(name, values);
        return values;
    }

    //! The same examples as the encoding takes them: less the input's offset
    std::vector<float> presented(const Input &input, size_t first, size_t count)
    {
        std::vector<float> values = read(input.name, first, count);
        subtractOffset(input, values);
        return values;
    }

    //! One frame of these examples, as the encoding takes it
    std::vector<float> presentedFrame(const Input &input, size_t first, size_t count, size_t frame)
    {
        const size_t width = elements(input.shape);
        std::vector<float> values;
        for(size_t i = first; i < first + count; i++) {
            const size_t start = (m_Shard.number(i) * input.frames + frame) * width;
            const std::vector<float> x = m_Files.at(input.name).readElements<float>(start, width);
            values.insert(values.end(), x.cbegin(), x.cend());
        }
        divide(input.name, values);
        subtractOffset(input, values);
        return values;
    }

    //! These examples as the ANN takes them: the mean over their frames
    std::vector<float> framesMean(const Input &input, size_t first, size_t count)
    {
        const std::vector<float> values = read(input.name, first, count);
        const size_t width = elements(input.shape);
        std::vector<float> mean(count * width);
        for(size_t i = 0; i < values.size(); i++) {
            mean[i / (input.frames * width) * width + i % width] += values[i] / static_cast<float>(input.frames);
        }
        return mean;
    }

    //! What the targets of an output are, if it has any
    Targets targets(const Output &output) const
    {
        const auto found = m_Targets.find(output.name);
        return (found == m_Targets.end()) ? Targets::NONE : found->second;
    }

    //! Class numbers, or 0/1 labels
    std::vector<int64_t> classes(const Output &output, size_t first, size_t count)
    {
        const std::vector<int64_t> y = rows<int64_t>(output.name, first, count);
        if(targets(output) != Targets::ONE_HOT) {
            return y;
        }
        std::vector<int64_t> numbers;
        for(size_t i = 0; i < y.size(); i++) {
            if(y[i] == 1) {
                numbers.push_back(static_cast<int64_t>(i % output.classes()));
            }
        }
        return numbers;
    }

private:
    static constexpr size_t PART = 1000;    // examples in memory at a time while they are checked

    //! Divides values of a file of uint8
    void divide(const std::string &name, std::vector<float> &values) const
    {
        const float divisor = m_Divisors.at(name);
        std::transform(values.begin(), values.end(), values.begin(), [&](float x) { return x / divisor; });
    }

    static void subtractOffset(const Input &input, std::vector<float> &values)
    {
        for(size_t i = 0; i < values.size() && !input.offset.empty(); i++) {
            values[i] -= input.offset[i % input.offset.size()];
        }
    }

    //! Rows of the shard's examples `first` to first + count - 1 of a file
    template<typename T>
    std::vector<T> rows(const std::string &name, size_t first, size_t count)
    {
        NpyReader &file = m_Files.at(name);
        if(m_Shard.count == 1) {
            return file.read<T>(first, count);
        }
        std::vector<T> values;
        for(size_t i = 0; i < count; i++) {
            const std::vector<T> row = file.read<T>(m_Shard.number(first + i), 1);
            values.insert(values.end(), row.cbegin(), row.cend());
        }
        return values;
    }

    [[noreturn]] static void fail(const NpyReader &file, const std::string &problem)
    {
        throw std::runtime_error(file.path() + ": " + problem);
    }

    static std::vector<size_t> rowShape(const NpyReader &file)
    {
        return {file.shape().begin() + 1, file.shape().end()};
    }

    //! Whether rows have this shape; a last axis of length 1 may be missing
    static bool hasRows(const NpyReader &file, const std::vector<size_t> &shape)
    {
        std::vector<size_t> row = rowShape(file);
        if(row.size() + 1 == shape.size() && shape.back() == 1) {
            row.push_back(1);
        }
        return row == shape;
    }

    static void checkInput(const NpyReader &file, const Input &input)
    {
        if(!hasRows(file, input.exampleShape())) {
            fail(file, "an example has shape " + printable(shapeText(rowShape(file))) + ", the network takes "
                 + shapeText(input.exampleShape()));
        }
        if(file.type() != "<f4" && file.type() != "|u1") {
            fail(file, "examples have type " + file.type()
                 + ", expected <f4 or |u1: make them with tgenn data");
        }
        if(file.rows() == 0) {
            fail(file, "holds no examples");
        }
    }

    //! The first row with NaN, infinity or a number too large for float32; count if there is none
    template<typename T>
    static size_t firstBad(const std::vector<T> &values, size_t count)
    {
        const auto bad = std::find_if(values.begin(), values.end(), [](T x) {
            return !(std::abs(x) <= std::numeric_limits<float>::max());
        });
        return static_cast<size_t>(bad - values.begin()) / (values.size() / count);
    }

    void checkValues(const Input &input)
    {
        const NpyReader &file = m_Files.at(input.name);
        const size_t part = std::max<size_t>(1, PART / input.frames);
        for(size_t first = 0; first < m_Count; first += part) {
            const size_t count = std::min(part, m_Count - first);
            const std::vector<float> x = presented(input, first, count);
            const size_t bad = firstBad(x, count);
            if(bad < count) {
                fail(file, "example " + std::to_string(m_Shard.number(first + bad))
                     + " holds NaN or infinity, or a number too large for float32");
            }
            const auto other = std::find_if(x.begin(), x.end(), [](float v) { return v != 0 && v != 1; });
            if(input.binary && other != x.end()) {
                fail(file, "the encoding takes only 0 and 1, the input has " + numberText("%g", *other));
            }
            const auto ends = std::minmax_element(x.begin(), x.end());
            if(*ends.first < input.low || *ends.second > input.high) {
                fail(file, "the encoding takes " + numberText("%g", input.low) + " to "
                     + numberText("%g", input.high) + ", the input ranges from "
                     + numberText("%g", *ends.first + 0.0f) + " to "
                     + numberText("%g", *ends.second + 0.0f));  // + 0: no negative zero
            }
        }
    }

    //! Whether the targets of an output can be class numbers: it has several values at a place
    static bool takesClasses(const Output &output) { return output.classes() > 1; }

    static bool areClasses(const NpyReader &file, const Output &output)
    {
        std::vector<size_t> row(output.shape.begin(), output.shape.end() - 1);
        bool fits = rowShape(file) == row;
        row.push_back(1);
        fits = fits || rowShape(file) == row;
        return takesClasses(output) && fits && file.type()[1] != 'f';
    }

    //! Whether targets of this type that are all 0 or 1 are labels
    static bool mayBeLabels(const NpyReader &file, const Output &output)
    {
        const bool sigmoid = output.activation == "sigmoid";
        const bool integers = file.type()[1] != 'f';
        return (sigmoid && (integers || output.shape.size() == 1))
               || (output.activation.empty() && !takesClasses(output) && integers);
    }

    //! Checks all targets, whatever the limit is: another number of them would not belong to the examples
    static Targets checkedTargets(NpyReader &file, const Output &output, size_t all)
    {
        const bool classes = areClasses(file, output);
        if(file.rows() != all || !(classes || hasRows(file, output.shape))) {
            std::vector<size_t> wanted = {all};
            wanted.insert(wanted.end(), output.shape.begin(), output.shape.end() - 1);
            const std::string numbers = "class numbers, integers " + shapeText(wanted) + ", or ";
            wanted.push_back(output.shape.back());
            fail(file, output.name + " is " + file.type() + " " + printable(shapeText(file.shape()))
                 + ", expected " + (takesClasses(output) ? numbers : "")
                 + (output.activation == "sigmoid" ? "0/1 labels or " : "") + "values " + shapeText(wanted));
        }
        double smallest = INFINITY, largest = -INFINITY;
        bool oneHot = takesClasses(output) && !classes && output.activation != "sigmoid";
        bool labels = !classes && mayBeLabels(file, output);
        for(size_t first = 0; first < all; first += PART) {
            const size_t count = std::min(PART, all - first);
            const std::vector<double> values = file.read<double>(first, count);
            const size_t bad = firstBad(values, count);
            if(bad < count) {
                fail(file, output.name + " holds NaN or infinity, or a number too large for float32, "
                     "for example " + std::to_string(first + bad));
            }
            const auto ends = std::minmax_element(values.begin(), values.end());
            smallest = std::min(smallest, *ends.first);
            largest = std::max(largest, *ends.second);
            oneHot = oneHot && areOneHot(values, output.classes());
            labels = labels && std::all_of(values.begin(), values.end(), [](double y) { return y == 0 || y == 1; });
        }
        if(oneHot && output.activation != "softmax") {
            fail(file, output.name + " is one-hot, expected class numbers: save " + output.name
                 + ".argmax(axis=-1)");
        }
        const double last = static_cast<double>(output.classes()) - 1.0;
        if(classes && (smallest < 0.0 || largest > last)) {
            fail(file, output.name + " has classes " + numberText("%.0f", smallest) + " to "
                 + numberText("%.0f", largest) + ", the network has 0 to " + numberText("%.0f", last));
        }
        return classes ? Targets::CLASSES : oneHot ? Targets::ONE_HOT : labels ? Targets::LABELS : Targets::VALUES;
    }

    //! Whether each row of `width` values has one 1 and is 0 elsewhere
    static bool areOneHot(const std::vector<double> &values, size_t width)
    {
        for(auto row = values.begin(); row != values.end(); row += static_cast<std::ptrdiff_t>(width)) {
            const auto end = row + static_cast<std::ptrdiff_t>(width);
            if(std::count(row, end, 1.0) != 1 || std::count(row, end, 0.0) != end - row - 1) {
                return false;
            }
        }
        return true;
    }

    std::map<std::string, NpyReader> m_Files;
    std::map<std::string, Targets> m_Targets;
    std::map<std::string, float> m_Divisors;
    Shard m_Shard;
    size_t m_Count = 0;
};

//! The score of an output after the last step, if the examples have targets for it.
/*! For class numbers: the fraction of decisions for the largest logit that are right. For 0/1 labels: a logit above 0
    decides for 1. In maps each pixel has a decision, and the score has the mean IoU of the classes that occur.
    For values: the mean squared error of the function of the logits. */
class Score
{
public:
    Score(Examples &examples, const Output &output)
    :   m_Examples(examples), m_Output(output), m_Targets(examples.targets(output)),
        m_Labels(m_Targets == Targets::LABELS), m_Several(m_Labels && output.classes() > 1)
    {
        const size_t classes = m_Labels ? 2 : output.classes();
        m_Map = !m_Several && output.shape.size() > 1 && classes <= MOST_CLASSES;
        m_Both.resize(m_Map ? classes : 0);
        m_Counts.resize(m_Map ? classes : 0);
    }

    //! Adds the logits (count, size) of the next examples
    void add(const std::vector<float> &logits, size_t count)
    {
        if(m_Targets == Targets::VALUES) {
            addToErrors(activated(logits, m_Output.activation, m_Output.classes()),
                        m_Examples.read(m_Output.name, m_Done, count));
        }
        else if(m_Targets != Targets::NONE) {
            addToAccuracy(logits, m_Examples.classes(m_Output, m_Done, count));
        }
        m_Done += count;
    }

    //! The result as a line of text
    std::string line(unsigned int timesteps) const
    {
        const std::string steps = std::to_string(timesteps) + " steps)";
        if(m_Targets == Targets::NONE) {
            return "score: none, the data has no targets";
        }
        if(m_Targets == Targets::VALUES) {
            const double error = m_Squares / static_cast<double>(m_Decided);
            return "mean squared error: " + numberText("%.4g", error) + " (" + std::to_string(m_Done)
                   + " examples, " + steps;
        }
        const size_t axes = m_Output.shape.size();
        const std::string places = m_Several ? " labels" : (axes == 1) ? "" : (axes == 2) ? " positions" : " pixels";
        const double accuracy = static_cast<double>(m_Correct) / static_cast<double>(m_Decided);
        const std::string text = "accuracy: " + numberText("%.4f", accuracy) + " (" + std::to_string(m_Correct)
                                 + " of " + std::to_string(m_Decided) + places + ", " + steps;
        if(m_Several) {
            const size_t vectors = m_Decided / m_Output.classes();
            const double exact = static_cast<double>(m_Exact) / static_cast<double>(vectors);
            return text + ", exact match: " + numberText("%.4f", exact);
        }
        return m_Map ? text + ", mean IoU: " + numberText("%.4f", meanIoU()) : text;
    }

private:
    static constexpr size_t MOST_CLASSES = 1000;

    void addToAccuracy(const std::vector<float> &logits, const std::vector<int64_t> &wanted)
    {
        const size_t width = m_Several ? 1 : m_Output.classes(), labels = m_Several ? m_Output.classes() : 1;
        size_t right = 0;   // of a vector of labels
        for(size_t i = 0; i < wanted.size(); i++) {
            const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i * width);
            const int64_t found = m_Labels ? (*row > 0.0f)
                                           : std::max_element(row, row + static_cast<std::ptrdiff_t>(width)) - row;
            right = (i % labels == 0 ? 0 : right) + (found == wanted[i]);
            m_Correct += (found == wanted[i]);
            m_Exact += (i % labels == labels - 1 && right == labels);
            if(m_Map) {
                m_Both[static_cast<size_t>(wanted[i])] += (found == wanted[i]);
                m_Counts[static_cast<size_t>(wanted[i])]++;
                m_Counts[static_cast<size_t>(found)]++;
            }
        }
        m_Decided += wanted.size();
    }

    //! The mean over all classes that occur of: pixels where targets and outputs have it / where one of them has it
    double meanIoU() const
    {
        double sum = 0.0;
        size_t occurring = 0;
        for(size_t c = 0; c < m_Both.size(); c++) {
            if(m_Counts[c] > 0) {
                sum += static_cast<double>(m_Both[c]) / static_cast<double>(m_Counts[c] - m_Both[c]);
                occurring++;
            }
        }
        return sum / static_cast<double>(occurring);
    }

    void addToErrors(const std::vector<double> &outputs, const std::vector<float> &values)
    {
        for(size_t i = 0; i < values.size(); i++) {
            const double difference = outputs[i] - static_cast<double>(values[i]);
            m_Squares += difference * difference;
        }
        m_Decided += values.size();
    }

    Examples &m_Examples;
    Output m_Output;
    Targets m_Targets;
    bool m_Labels, m_Several;       // 0/1 labels; several of them at a place
    bool m_Map = false;             // whether there is a mean IoU
    std::vector<size_t> m_Both;     // for each class: the decisions for it that are right
    std::vector<size_t> m_Counts;   // for each class: targets and decisions
    size_t m_Done = 0;              // examples
    size_t m_Decided = 0;           // decisions, or values
    size_t m_Correct = 0;
    size_t m_Exact = 0;
    double m_Squares = 0.0;
};

//! Reads the bytes of a file; false if that fails
inline bool readFile(const std::string &path, std::string &content)
{
    std::ifstream file(path, std::ios::binary);
    content.assign(std::istreambuf_iterator<char>(file), {});
    return static_cast<bool>(file);
}

//! Prints one line on stderr
inline void note(const std::string &message)
{
    std::cerr << "model.cc: note: " << message << std::endl;
}

//! Prints a note if network.yaml has changed since model.cc was generated
inline void warnIfOutdated(const std::string &documentHash)
{
    std::string document;
    if(!readFile("network.yaml", document)) {
        return;
    }
    for(size_t at = document.find("\r\n"); at != std::string::npos; at = document.find("\r\n", at)) {
        document.erase(at, 1);
    }
    if(sha256(document) != documentHash) {
        note("network.yaml was edited since model.cc was generated: run tgenn generate");
    }
}

//! The network's weights by file; each file must have its hash in weights/SHA256SUMS
class Weights
{
public:
    //! The values of a file, float32 of this shape
    const std::vector<float> &read(const std::string &file, const std::vector<size_t> &shape)
    {
        const auto known = m_Values.find(file);
        if(known != m_Values.end()) {
            return known->second;
        }
        std::error_code ignored;
        std::string content;
        const bool there = std::filesystem::exists(file, ignored);
        if(there && !std::filesystem::is_regular_file(file, ignored)) {
            throw std::runtime_error(file + ": is not a regular file");
        }
        if(!readFile(file, content)) {
            throw std::runtime_error(file + ": cannot be read: run this in the folder of network.yaml");
        }
        if(hashes().count(file) == 0 || sha256(content) != hashes().at(file)) {
            throw std::runtime_error(file + ": its hash is not the one in weights/SHA256SUMS: if you changed it, run "
                                     "tgenn lock, or sha256sum weights/*.npy > weights/SHA256SUMS");
        }
        NpyReader reader(file);
        if(reader.type() != "<f4" || reader.shape() != shape) {
            throw std::runtime_error(file + ": holds " + reader.type() + " " + shapeText(reader.shape())
                                     + ", model.cc expects <f4 " + shapeText(shape));
        }
        std::vector<float> values = reader.read<float>(0, reader.rows());
        if(!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
            throw std::runtime_error(file + ": holds NaN or infinity");
        }
        return m_Values[file] = std::move(values);
    }

private:
    const std::map<std::string, std::string> &hashes()
    {
        if(m_Hashes.empty()) {
            std::ifstream lines("weights/SHA256SUMS");
            for(std::string hash, file; lines >> hash && std::getline(lines >> std::ws, file);) {
                file.erase(0, file.find_first_not_of('*'));
                file.erase(file.find_last_not_of('\r') + 1);
                m_Hashes[file] = hash;
            }
        }
        return m_Hashes;
    }

    std::map<std::string, std::string> m_Hashes;
    std::map<std::string, std::vector<float>> m_Values;
};

// Kernels, the weights that synapses share: computed in double, and rounded to float once, for GeNN.

//! A kernel of one weight: all synapses have the same one
inline Doubles constant(double weight)
{
    return Doubles{weight};
}

//! The product of each weight of the first kernel with each of the second
template<typename First, typename Second>
Doubles outer(const First &first, const Second &second)
{
    Doubles product;
    product.reserve(first.size() * second.size());
    for(const double a : first) {
        for(const double b : second) {
            product.push_back(a * b);
        }
    }
    return product;
}

//! All weights times a number
template<typename Kernel>
Doubles scaled(double factor, const Kernel &kernel)
{
    return outer(constant(factor), kernel);
}

//! The weights of average pooling: 1 / (r c) for a window that covers r rows and c columns
inline Doubles window_means(int rows, int columns)
{
    Doubles means;
    for(int r = 1; r <= rows; r++) {
        for(int c = 1; c <= columns; c++) {
            means.push_back(1.0 / (r * c));
        }
    }
    return means;
}

//! 1, base, base^2 ...
inline Doubles powers(double base, int count)
{
    Doubles powers;
    for(int exponent = 0; exponent < count; exponent++) {
        powers.push_back(std::pow(base, exponent));
    }
    return powers;
}

//! The value of a spike at each step in a rate code: 1
inline Floats rate_weights(unsigned int timesteps)
{
    return Floats(timesteps, 1.0f);
}

//! The value of a spike at each step in the few-spike code: 2^(timesteps - 1 - step)
inline Floats few_spike_weights(unsigned int timesteps)
{
    Floats weights;
    for(unsigned int step = 0; step < timesteps; step++) {
        weights.push_back(std::ldexp(1.0f, static_cast<int>(timesteps - 1 - step)));
    }
    return weights;
}

//! scale (one number, or one per channel) x the value read / the sum of the steps' weights from step `start` on
inline Floats mean_per_step(Floats read, const Floats &scale, unsigned int start, const Floats &weights)
{
    const float steps = std::max(1.0f, std::accumulate(weights.cbegin() + start, weights.cend(), 0.0f));
    for(size_t i = 0; i < read.size(); i++) {
        read[i] = read[i] * scale[i % scale.size()] / steps;
    }
    return read;
}

inline Floats mean_per_step(const Floats &read, double scale, unsigned int start, const Floats &weights)
{
    return mean_per_step(read, Floats{static_cast<float>(scale)}, start, weights);
}

//! 1 / the number of the step with the first spike: 1 for the first step, 0 for no spike
template<typename Scale>
Floats earliest(Floats read, const Scale&, unsigned int, const Floats&)
{
    for(float &value : read) {
        value = (value > 0.0f) ? 1.0f / value : 0.0f;
    }
    return read;
}

//! A bijection of 32-bit numbers in which each bit changes half of the result's: lowbias32 (Wellons 2018)
inline uint32_t mixed(uint32_t h)
{
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    return h ^ (h >> 16);
}

//! The key of an example's random numbers. stream: the index of the population in the network
inline uint32_t random_key(uint32_t seed, uint32_t stream, uint32_t example)
{
    return mixed(mixed(mixed(seed) + stream) + example);
}

#ifndef TGENN_WITHOUT_GENN
//! A network as the host sees it. modelDefinition declares it, and simulate runs it.
/*! A spike arrives one step after it is emitted, so a population at depth d runs its local step k at global step d + k;
    with the few-spike code, at d * timesteps + k. At its local step 0 it stores (latches) the result of the last
    example in variables named last_..., and resets. The host only sets inputs and reads the latched variables. */
class Network
{
public:
    //! Adds the current that one example gives to a population
    using Current = std::function<void(const float *, double *)>;

    //! Computes logits, in the units of the ANN, from the values that are read from a population
    using Readout = std::function<Floats(const Floats &)>;

    //! timesteps: the default, from network.yaml. start: the largest number of steps that a readout leaves out
    Network(const std::string &name, double dt, unsigned int timesteps, bool fewSpike, unsigned int start,
            uint64_t sparseBytes, const std::string &documentHash)
    :   m_Name(name), m_DT(dt), m_Timesteps(timesteps), m_FewSpike(fewSpike), m_Start(start),
        m_SparseBytes(sparseBytes), m_DocumentHash(documentHash)
    {
    }

    //! Reads the settings. modelDefinition calls it first
    void begin()
    {
        m_Settings = readSettings(m_Timesteps, m_FewSpike ? MAX_FEW_SPIKE_STEPS : MAX_STEPS, m_Start);
        checkIsCurrent("model.cc", m_DocumentHash);
#ifdef BACKEND_NAMESPACE  // on the CPU the compiler optimizes; GeNN's own option adds -ffast-math
        GENN_PREFERENCES.userCxxFlagsGNU = "-O3 -ffp-contract=off";
#endif
    }

    //! Declares that examples are a stream: neurons keep V from one to the next
    void neverReset()
    {
        m_Stream = true;
        if(m_Settings.shard.count > 1) {
            throw std::runtime_error("TGENN_RUN_SHARD: leave it out: the examples are a stream, in "
                                     "which neurons keep V (reset: never)");
        }
    }

    //! Time steps per example
    unsigned int timesteps() const { return m_Settings.timesteps; }

    //! The network's weights in a file: float32 of this shape
    const Floats &weights(const std::string &file, const std::vector<size_t> &shape)
    {
        return m_Weights.read(file, shape);
    }

    //! Declares an input, whose values are low to high. Examples of uint8 are divided by uint8Divisor
    void input(const std::string &name, const std::vector<size_t> &shape, float uint8Divisor, float low, float high,
               bool binary)
    {
        m_Inputs.push_back({name, shape, uint8Divisor, low, high, binary, {}});
    }

    //! Declares how many frames the examples of the input declared last have
    void frames(size_t frames) { m_Inputs.back().frames = frames; }

    //! Declares what is subtracted from the examples of the input declared last
    void offset(const Floats &offset) { m_Inputs.back().offset = offset; }

    //! Declares the smallest and largest value of an input's calibration data
    void dataRange(const std::string &input, float low, float high) { m_DataRanges[input] = {low, high}; }

    //! Declares a population. counts: its variables that count spikes
    void add(GeNN::NeuronGroup *neurons, const std::string &name, int64_t depth, const std::vector<std::string> &counts)
    {
        neurons->setParamDynamic("timesteps");  // so that other timesteps need no new code
        const auto &params = neurons->getParams();
        if(params.find("fresh") != params.end()) {
            neurons->setParamDynamic("fresh");
        }
        m_Populations.push_back({name, neurons->getName(), depth, counts, {}, {}, -1});
    }

    //! Declares that a population draws random numbers. stream: its index in the network
    void draw(GeNN::NeuronGroup *neurons, int stream) { population(neurons).stream = stream; }

    //! Declares that an input gives a population a current, which is set where it begins with an example or a frame
    void inject(GeNN::NeuronGroup *neurons, const std::string &input, const Current &current)
    {
        population(neurons).currents.push_back({input, current});
    }

    //! Gives a population a bias, which is part of its current
    void bias(GeNN::NeuronGroup *neurons, const Floats &bias) { population(neurons).bias = bias; }

    //! Sets a variable of a population: one value per neuron, or per channel
    void variable(GeNN::NeuronGroup *neurons, const std::string &name, const Floats &values)
    {
        m_Variables.push_back({neurons->getName(), name, values});
    }

    //! Whether synapses that share weights are TOEPLITZ, which takes less memory, or SPARSE, which is faster on a CPU
    bool toeplitz() const
    {
        if(m_Settings.connectivity != "auto") {
            return m_Settings.connectivity == "toeplitz";
        }
        return !onCPU() || m_SparseBytes > MAX_SPARSE_BYTES;
    }

    //! The same for synapses from populations whose spikes have a sign
    /*! GeNN 5.4 cannot compile TOEPLITZ synapses that read a variable of their source for a GPU. */
    bool signedToeplitz() const { return toeplitz() && onCPU(); }

    //! Declares that synapses have a delay
    void late(GeNN::ModelSpec &model, const std::string &synapses, const GeNN::NeuronGroup *target)
    {
        for(const std::string param : {"timesteps", "delay"}) {
            model.findSynapseGroup(synapses)->setWUParamDynamic(param);  // as in add
        }
        m_Late.emplace_back(synapses, target->getName());
    }

    //! Sets the weights of synapses: one per synapse, or the kernel that they share
    template<typename Values>
    void setWeights(GeNN::ModelSpec &model, const std::string &synapses, const Values &values)
    {
        const bool copied = model.findSynapseGroup(synapses)->getMatrixType() == GeNN::SynapseMatrixType::SPARSE;
        (copied ? m_Kernels : m_Synapses).push_back({synapses, "g", Floats(values.cbegin(), values.cend())});
    }

    //! The value of a spike at each step
    Floats stepWeights() const { return m_FewSpike ? few_spike_weights(timesteps()) : rate_weights(timesteps()); }

    //! Declares an output population, and its variable to read. activation: the function of the ANN's output
    void output(GeNN::NeuronGroup *neurons, const std::vector<size_t> &shape, const std::string &variable,
                const Readout &readout, const std::string &activation = "")
    {
        m_Outputs.push_back({population(neurons).name, shape, activation});
        m_Reads.emplace(population(neurons).name, Read{variable, readout});
    }

    //! Puts outputs into this order. The score of the first one is the last line on stdout
    void orderOutputs(const std::vector<std::string> &names)
    {
        const auto place = [&](const Output &o) { return std::find(names.begin(), names.end(), o.name); };
        std::sort(m_Outputs.begin(), m_Outputs.end(),
                  [&](const Output &a, const Output &b) { return place(a) < place(b); });
    }

    //! Checks the examples, and names the model. modelDefinition calls it last, before anything is built
    void end(GeNN::ModelSpec &model)
    {
        const size_t frames = framesOf([](const Input&) { return true; });
        if(timesteps() % frames != 0) {
            throw std::runtime_error("TGENN_RUN_TIMESTEPS=" + std::to_string(timesteps())
                                     + ": expected a multiple of " + std::to_string(frames)
                                     + ", the frames of an example");
        }
        m_Examples = std::make_unique<Examples>(m_Settings.data, m_Inputs, m_Outputs, m_Settings.limit,
                                                m_Settings.shard);
        warnIfOutdated(m_DocumentHash);
        warnOfOtherData();
        for(const Output &output : m_Outputs) {
            if(m_Examples->targets(output) == Targets::LABELS && output.activation.empty()) {
                note("all targets of " + output.name +
                     " are 0 or 1: they are taken for labels, and outputs above 0 for 1");
            }
        }
        const std::string steps = m_FewSpike ? "_" + std::to_string(timesteps()) : "";
        model.setName(m_Name + "_cpp_" + std::to_string(batchSize()) + (toeplitz() ? "_toeplitz" : "_sparse") + steps);
        model.setDT(m_DT);
        model.setBatchSize(batchSize());
    }

    //! Steps between what a population receives and what it emits
    int64_t latency() const { return m_FewSpike ? timesteps() : 1; }

    //! Shows all examples, and prints the scores
    void simulate(const GeNN::ModelSpec &model, GeNN::Runtime::Runtime &runtime)
    {
        runtime.allocate();
        for(const Values &kernel : m_Kernels) {
            const GeNN::SynapseGroup &synapses = *model.findSynapseGroup(kernel.group);
            runtime.allocateArray(synapses, "kernelg", kernel.values.size());
            fill(runtime.getArray(synapses, "kernelg"), kernel.values);
        }
        runtime.initialize();
        for(const Values &weights : m_Synapses) {
            fill(runtime.getArray(*model.findSynapseGroup(weights.group), weights.variable), weights.values);
        }
        for(const Values &variable : m_Variables) {
            fill(runtime.getArray(*model.findNeuronGroup(variable.group), variable.variable), variable.values);
        }
        for(const Population &p : m_Populations) {
            const GeNN::NeuronGroup &neurons = *model.findNeuronGroup(p.group);
            if(p.currents.empty() && !p.bias.empty()) {
                fill(runtime.getArray(neurons, "I_const"), p.bias);
            }
        }
        runtime.initializeSparse();

        std::map<std::string, Score> scores;
        for(const Output &output : m_Outputs) {
            scores.emplace(output.name, Score(*m_Examples, output));
        }
        run(model, runtime, scores);
        for(auto output = m_Outputs.crbegin(); output != m_Outputs.crend(); output++) {
            std::cout << (m_Outputs.size() > 1 ? output->name + ": " : "")
                      << scores.at(output->name).line(timesteps()) << std::endl;
        }
    }

private:
    struct Population
    {
        std::string name, group;
        int64_t depth;  // synapses between the inputs and it: it starts so many latencies later
        std::vector<std::string> counts;
        std::vector<std::pair<std::string, Current>> currents;
        Floats bias;
        int stream;     // index of its random numbers, -1 if it draws none
    };

    struct Values
    {
        std::string group, variable;
        Floats values;
    };

    struct Read
    {
        std::string variable;
        Readout readout;
    };

    //! A value that a population latches at the end of each example, and the file for it
    struct Latched
    {
        std::string population;
        GeNN::Runtime::ArrayBase *array;
        int64_t first;  // global step of the first value in it
        bool output;    // true: the variable of a readout; false: a number of spikes
        std::unique_ptr<NpyWriter> file;
    };

    static constexpr unsigned int MAX_STEPS = 100000, MAX_FEW_SPIKE_STEPS = 16;
    static constexpr uint64_t MAX_SPARSE_BYTES = 4ull << 30;  // on a CPU: with more, auto means toeplitz
    static constexpr size_t PART = 1000;                      // examples in memory at a time

    //! Whether the backend is GeNN's single-threaded CPU one; genn-buildmodel.sh says which it is
    static bool onCPU()
    {
#define TGENN_NAME_OF(X) #X
#define TGENN_EXPANDED_NAME_OF(X) TGENN_NAME_OF(X)
        const std::string name = TGENN_EXPANDED_NAME_OF(BACKEND_NAMESPACE);
        if(name == "BACKEND_NAMESPACE") {
            throw std::runtime_error("model.cc: BACKEND_NAMESPACE is not defined: build it with genn-buildmodel.sh");
        }
        return name == "SingleThreadedCPU";
    }

    //! Examples at a time
    unsigned int batchSize() const
    {
        if(onCPU() || m_Stream) {
            if(m_Settings.batchSize > 1) {
                throw std::runtime_error(std::string("TGENN_RUN_BATCH_SIZE: expected 1")
                                         + (m_Stream ? ", because the examples are a stream" : " on the CPU backend"));
            }
            return 1;
        }
        return m_Settings.batchSize ? m_Settings.batchSize
                                    : static_cast<unsigned int>(std::min<size_t>(128, m_Examples->count()));
    }

    Population &population(const GeNN::NeuronGroup *neurons)
    {
        return *std::find_if(m_Populations.begin(), m_Populations.end(),
                             [&](const Population &p) { return p.group == neurons->getName(); });
    }

    //! The number of equal parts of an example in which these inputs do not change
    template<typename Chosen>
    size_t framesOf(Chosen chosen) const
    {
        size_t frames = 1;
        for(const Input &input : m_Inputs) {
            frames = chosen(input) ? std::lcm(frames, input.frames) : frames;
        }
        return frames;
    }

    const Input &inputOf(const std::string &name) const
    {
        return *std::find_if(m_Inputs.cbegin(), m_Inputs.cend(), [&](const Input &i) { return i.name == name; });
    }

    //! Prints a note if examples seem to be preprocessed in another way than the calibration data
    void warnOfOtherData()
    {
        for(const auto &range : m_DataRanges) {
            float smallest = INFINITY, largest = -INFINITY;
            const Input &input = inputOf(range.first);
            const size_t part = std::max<size_t>(1, PART / input.frames);
            for(size_t first = 0; first < m_Examples->count(); first += part) {
                const Floats x = m_Examples->framesMean(input, first, std::min(part, m_Examples->count() - first));
                const auto ends = std::minmax_element(x.begin(), x.end());
                smallest = std::min(smallest, *ends.first);
                largest = std::max(largest, *ends.second);
            }
            const float low = range.second.first, high = range.second.second;
            const float share = (largest - smallest) / (high - low);
            if(low != high && !(share > 1.0f / 20 && share < 2)) {
                note((m_Inputs.size() > 1 ? range.first + ": " : "") + "the data ranges from "
                     + numberText("%g", smallest) + " to " + numberText("%g", largest) + ", the calibration data from "
                     + numberText("%g", low) + " to " + numberText("%g", high)
                     + ": preprocess both in the same way");
            }
        }
    }

    //! Fills an array with values, repeated as often as needed, and pushes it to the device
    static void fill(GeNN::Runtime::ArrayBase *array, const Floats &values)
    {
        if(array->getCount() % values.size() != 0) {
            throw std::logic_error("the number of weights does not fit the network");
        }
        float *host = array->getHostPointer<float>();
        for(size_t i = 0; i < array->getCount(); i++) {
            host[i] = values[i % values.size()];
        }
        array->pushToDevice();
    }

    //! The current of a population at each step of a part of `count` examples from `first` on, with its bias
    /*! part: in which inputs do not change; one of `parts`. Summed up in double, and rounded to float once. */
    Floats current(const Population &p, size_t size, size_t first, size_t count, size_t part, size_t parts)
    {
        std::vector<double> current(count * size);
        for(const auto &from : p.currents) {
            const Input &input = inputOf(from.first);
            const Floats x = m_Examples->presentedFrame(input, first, count, part * input.frames / parts);
            const size_t width = x.size() / count;
            for(size_t i = 0; i < count; i++) {
                from.second(&x[i * width], &current[i * size]);
            }
        }
        for(size_t i = 0; i < current.size() && !p.bias.empty(); i++) {
            current[i] += p.bias[i % p.bias.size()];
        }
        return Floats(current.cbegin(), current.cend());
    }

    //! Sets the random keys of the populations that are at local step 0 now, and currents where their inputs change
    void showInput(const GeNN::ModelSpec &model, GeNN::Runtime::Runtime &runtime, int64_t window, int64_t step)
    {
        const int64_t total = static_cast<int64_t>(m_Examples->count()), batch = batchSize();
        for(const Population &p : m_Populations) {
            const size_t parts = framesOf([&](const Input &input) {
                return std::any_of(p.currents.cbegin(), p.currents.cend(),
                                   [&](const auto &from) { return from.first == input.name; });
            });
            for(size_t part = 0; part < parts; part++) {
                const int64_t begin = p.depth * latency() + static_cast<int64_t>(part * timesteps() / parts);
                const int64_t first = (window - begin / timesteps()) * batch;
                if(step == begin % timesteps() && first >= 0 && first < total) {
                    const size_t count = static_cast<size_t>(std::min(batch, total - first));
                    const GeNN::NeuronGroup &neurons = *model.findNeuronGroup(p.group);
                    if(m_Stream && part == 0 && first > 0) {
                        continueStream(model, runtime, neurons);
                    }
                    if(p.stream >= 0 && part == 0) {
                        setKeys(p, *runtime.getArray(neurons, "key"), static_cast<size_t>(first));
                    }
                    if(!p.currents.empty()) {
                        auto &constant = *runtime.getArray(neurons, "I_const");
                        const size_t size = constant.getCount() / static_cast<size_t>(batch);
                        setCurrents(constant, current(p, size, static_cast<size_t>(first), count, part, parts));
                    }
                }
            }
        }
    }

    //! Lets a population keep V where it begins with another example, and hear late spikes of the last one
    void continueStream(const GeNN::ModelSpec &model, GeNN::Runtime::Runtime &runtime, const GeNN::NeuronGroup &neurons)
    {
        if(neurons.getParams().count("fresh") > 0) {
            runtime.setDynamicParamValue(neurons, "fresh", GeNN::Type::NumericValue(0.0));
        }
        for(const auto &[synapses, target] : m_Late) {
            if(target == neurons.getName()) {
                runtime.setDynamicParamValue(*model.findSynapseGroup(synapses), "delay", GeNN::Type::NumericValue(0));
            }
        }
    }

    //! Sets the random keys of a batch, whose first example is `first`
    void setKeys(const Population &p, GeNN::Runtime::ArrayBase &keys, size_t first)
    {
        for(size_t i = 0; i < batchSize(); i++) {
            const uint32_t example = static_cast<uint32_t>(m_Settings.shard.number(first + i));
            keys.getHostPointer<uint32_t>()[i]
                = random_key(m_Settings.seed, static_cast<uint32_t>(p.stream), example);
        }
        keys.pushToDevice();
    }

    //! Sets I_const; an incomplete batch is filled up with zeros
    static void setCurrents(GeNN::Runtime::ArrayBase &constant, const Floats &shown)
    {
        float *host = constant.getHostPointer<float>();
        std::copy(shown.cbegin(), shown.cend(), host);
        std::fill(host + shown.size(), host + constant.getCount(), 0.0f);
        constant.pushToDevice();
    }

    //! A file in the folder TGENN_RUN_OUTPUT; null without that folder
    std::unique_ptr<NpyWriter> file(const std::string &name, const std::string &type, std::vector<size_t> shape) const
    {
        if(m_Settings.output.empty()) {
            return nullptr;
        }
        const std::filesystem::path path = std::filesystem::path(m_Settings.output) / (name + ".npy");
        std::filesystem::create_directories(path.parent_path());
        shape.insert(shape.begin(), m_Examples->count());
        return std::make_unique<NpyWriter>(path.string(), type, shape);
    }

    //! The values to read, and the files for them
    std::vector<Latched> latchedValues(const GeNN::ModelSpec &model, GeNN::Runtime::Runtime &runtime)
    {
        std::vector<Latched> latched;
        for(const Population &p : m_Populations) {
            for(const std::string count : {"spike_count", "net_count"}) {
                if(p.counts.empty()) {
                    continue;
                }
                const bool counted = std::count(p.counts.cbegin(), p.counts.cend(), count) > 0;
                const std::string variable = counted ? count : "spike_count";  // of spikes without a sign
                auto *array = runtime.getArray(*model.findNeuronGroup(p.group), "last_" + variable);
                const std::string type = (count == "spike_count") ? "<u4" : "<i4";
                auto written = file(count + "s/" + p.name, type, {array->getCount() / batchSize()});
                if(written) {
                    latched.push_back({p.name, array, (p.depth + 1) * latency() - 1, false, std::move(written)});
                }
            }
        }
        for(const Output &output : m_Outputs) {
            const auto p = std::find_if(m_Populations.cbegin(), m_Populations.cend(),
                                        [&](const Population &other) { return other.name == output.name; });
            auto *array = runtime.getArray(*model.findNeuronGroup(p->group), "last_" + m_Reads.at(p->name).variable);
            const int64_t first = p->counts.empty() ? p->depth * latency() : (p->depth + 1) * latency() - 1;
            auto written = file(m_Outputs.size() > 1 ? "output/" + p->name : "output", "<f4", output.shape);
            latched.push_back({p->name, array, first, true, std::move(written)});
        }
        return latched;
    }

    //! Shows the examples batch after batch, each for timesteps() global steps (a window), and reads results
    /*! A population at depth 4 starts with the batch of window n at step 4 of that window, and latches its result where
        it starts with the next one, at step 4 of window n + 1. It is read at the end of that window. */
    void run(const GeNN::ModelSpec &model, GeNN::Runtime::Runtime &runtime, std::map<std::string, Score> &scores)
    {
        const int64_t steps = timesteps(), total = static_cast<int64_t>(m_Examples->count()), batch = batchSize();
        const int64_t batches = (total + batch - 1) / batch;
        std::vector<Latched> latched = latchedValues(model, runtime);
        int64_t lag = 0;  // windows until a batch's last result is latched
        for(const Latched &value : latched) {
            lag = std::max(lag, value.first / steps + 1);
        }
        for(int64_t window = 0; window < batches + lag; window++) {
            runtime.setTimestep(0);
            for(int64_t step = 0; step < steps; step++) {
                showInput(model, runtime, window, step);
                runtime.stepTime();
            }
            if(isatty(STDERR_FILENO)) {
                std::cerr << "\r" << std::min(total, (window + 1) * batch) << "/" << total << " examples shown"
                          << std::flush;
            }
            for(Latched &value : latched) {
                const int64_t index = window - 1 - value.first / steps;
                if(index >= 0 && index < batches) {
                    take(value, static_cast<size_t>(std::min(batch, total - index * batch)), scores);
                }
            }
        }
        if(isatty(STDERR_FILENO)) {
            std::cerr << std::endl;
        }
        for(Latched &value : latched) {  // finish all before the first one gets its name
            if(value.file) {
                value.file->finish();
            }
        }
        for(Latched &value : latched) {
            if(value.file) {
                value.file->close();
            }
        }
    }

    //! Reads what a population has latched for the next `count` examples
    void take(Latched &value, size_t count, std::map<std::string, Score> &scores)
    {
        value.array->pullFromDevice();
        const size_t size = count * (value.array->getCount() / batchSize());
        if(value.output) {
            const float *host = value.array->getHostPointer<float>();
            const Floats logits = m_Reads.at(value.population).readout(Floats(host, host + size));
            scores.at(value.population).add(logits, count);
            if(value.file) {
                const auto output = std::find_if(m_Outputs.cbegin(), m_Outputs.cend(),
                                                 [&](const Output &o) { return o.name == value.population; });
                const std::vector<double> outputs = activated(logits, output->activation, output->classes());
                value.file->append(Floats(outputs.cbegin(), outputs.cend()).data(), size * sizeof(float));
            }
        }
        else {
            value.file->append(value.array->getHostPointer<uint32_t>(), size * sizeof(uint32_t));
        }
    }

    std::string m_Name;
    double m_DT;
    unsigned int m_Timesteps;
    bool m_FewSpike;
    bool m_Stream = false;  // whether neurons keep V from one example to the next
    unsigned int m_Start;
    uint64_t m_SparseBytes;
    std::string m_DocumentHash;
    Settings m_Settings;
    Weights m_Weights;
    std::vector<Input> m_Inputs;
    std::map<std::string, std::pair<float, float>> m_DataRanges;
    std::vector<Population> m_Populations;
    std::vector<std::pair<std::string, std::string>> m_Late;  // synapses with a delay, and their target
    std::vector<Values> m_Kernels, m_Synapses, m_Variables;
    std::vector<Output> m_Outputs;
    std::map<std::string, Read> m_Reads;
    std::unique_ptr<Examples> m_Examples;
};
#endif
} // namespace tgenn
