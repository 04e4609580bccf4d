"""Small clips of ffmpeg's test pattern, made on the spot: one of each kind that is treacherous to sample."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ffmpeg_oracle import program

PATTERN = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=30:d=3")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2")
VP9 = ("-c:v", "libvpx-vp9", "-g", "20", "-b:v", "200k", "-cpu-used", "8")
SVT = ("-c:v", "libsvtav1", "-preset", "12", "-g", "20")
CLOSED = (*X264, "-g", "20", "-bf", "2")
OPEN = (*X264, "-g", "20", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0")
REFRESH = (*X264, "-x264-params", "intra-refresh=1:keyint=30")
X265_OPEN = (*X265, "-x265-params", "log-level=none:open-gop=1:keyint=20:min-keyint=20:bframes=3")
# A rate that changes twice; every frame at a time of its own.
VARIED = "settb=1/90000,setpts='(if(lt(N,30),N,if(lt(N,60),30+(N-30)*3,120+(N-60)*0.7)))*3000'"

RECIPES: dict[str, tuple[str, ...]] = {
    "h264_closed.mp4": CLOSED,
    "h264_open.mp4": OPEN,
    "h264_open.mkv": OPEN,
    "h264_open.ts": OPEN,
    "h264_refresh.mp4": REFRESH,
    "h264_refresh.mkv": REFRESH,
    "h264_long_group.mp4": (*X264, "-g", "250", "-bf", "3"),
    "h264_all_intra.mp4": (*X264, "-g", "1"),
    "h264_fragmented.mp4": (*CLOSED, "-movflags", "frag_keyframe+empty_moov"),
    "h264_interlaced.mp4": (*X264, "-g", "20", "-x264-params", "tff=1"),
    "h264_interlaced.ts": (*X264, "-g", "20", "-x264-params", "tff=1"),
    "h264_10bit.mp4": ("-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p10le"),
    "h264.avi": CLOSED,
    "h264.flv": CLOSED,
    "h264.mpg": (*CLOSED, "-f", "vob"),
    "h264.nut": CLOSED,
    "bare.h264": CLOSED,
    "ntsc.mp4": (*CLOSED, "-r", "30000/1001"),
    "half.mp4": (*X264, "-r", "0.5", "-t", "8"),
    "varied_rate.mp4": (*CLOSED, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "varied_rate.mkv": (*CLOSED, "-vf", VARIED, "-fps_mode", "vfr", "-enc_time_base", "1/90000"),
    "late_start.mp4": (*CLOSED, "-output_ts_offset", "5"),
    "late_start.mkv": (*CLOSED, "-output_ts_offset", "5"),
    "late_start.ts": (*CLOSED, "-output_ts_offset", "5"),
    "hevc_closed.mp4": (*X265, "-x265-params", "log-level=none:open-gop=0:keyint=20:min-keyint=20"),
    "hevc_open.mp4": X265_OPEN,
    "hevc_open.mkv": X265_OPEN,
    "hevc_open.ts": X265_OPEN,
    "hevc_layers.mp4": (*X265, "-x265-params", "log-level=none:temporal-layers=3:keyint=40:bframes=4"),
    "vp8.webm": ("-c:v", "libvpx", "-g", "20", "-b:v", "200k", "-auto-alt-ref", "1", "-lag-in-frames", "16"),
    "vp9.webm": (*VP9, "-auto-alt-ref", "1", "-lag-in-frames", "16"),
    "vp9.mp4": VP9,
    "vp9.ivf": VP9,
    "av1.mp4": SVT,
    "av1.webm": (*SVT, "-svtav1-params", "enable-overlays=1"),
    "mpeg1.mpg": ("-c:v", "mpeg1video", "-g", "15", "-bf", "2"),
    "mpeg2.mpg": MPEG2,
    "mpeg2.ts": MPEG2,
    "mpeg2.mkv": MPEG2,
    "mpeg2.mov": MPEG2,
    "mpeg2.mxf": MPEG2,
    "mpeg2_interlaced.ts": (*MPEG2, "-flags", "+ildct+ilme"),
    "mpeg4.mp4": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "20", "-bf", "2"),
    "msmpeg4.avi": ("-c:v", "msmpeg4", "-g", "20"),
    "mjpeg.avi": ("-c:v", "mjpeg"),
    "mjpeg.mov": ("-c:v", "mjpeg"),
    "prores.mov": ("-c:v", "prores_ks"),
    "dnxhd.mov": ("-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p", "-s", "256x128"),
    "ffv1.mkv": ("-c:v", "ffv1", "-g", "5"),
    "gbrp.mkv": ("-c:v", "ffv1", "-pix_fmt", "gbrp"),
    "gray.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray"),
    "alpha.mov": ("-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", "-t", "1"),
    "raw.avi": ("-c:v", "rawvideo", "-t", "1"),
    "qtrle.mov": ("-c:v", "qtrle", "-g", "20"),
    "png.mov": ("-c:v", "png", "-t", "1"),
    "wmv2.wmv": ("-c:v", "wmv2", "-g", "20"),
    "flv1.flv": ("-c:v", "flv", "-g", "20"),
    "theora.ogv": ("-c:v", "libtheora", "-g", "20"),
    "h263.3gp": ("-c:v", "h263", "-s", "176x144", "-g", "20"),
    "odd.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-vf", "scale=161:121"),
    "cropped.mp4": (*CLOSED, "-vf", "scale=162:122"),
    "one_frame.mp4": (*X264, "-frames:v", "1"),
    "one_frame.mkv": (*X264, "-frames:v", "1"),
    "one_frame.ts": (*X264, "-frames:v", "1"),
    "bt709.mp4": (*CLOSED, "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"),
    "full_range.mp4": (
        *(*CLOSED, "-vf", "scale=out_color_matrix=bt709:out_range=pc"),
        *("-colorspace", "bt709", "-color_range", "pc"),
    ),
}

DERIVED: dict[str, tuple[str, ...]] = {
    "edit_list.mp4": ("-ss", "1.3", "-i", "h264_closed.mp4", "-c", "copy"),
    "edit_list_open.mp4": ("-ss", "1.3", "-i", "h264_open.mp4", "-c", "copy"),
    "edit_list_hevc.mp4": ("-ss", "1.3", "-i", "hevc_open.mp4", "-c", "copy"),
    "cut_in_group.ts": ("-ss", "1.3", "-i", "h264_open.ts", "-c", "copy"),
    "turned_90.mp4": ("-display_rotation", "90", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_180.mp4": ("-display_rotation", "180", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_270.mp4": ("-display_rotation", "270", "-i", "h264_closed.mp4", "-c", "copy"),
    "mirrored.mp4": ("-display_hflip", "-i", "h264_closed.mp4", "-c", "copy"),
    "upside_down.mp4": ("-display_vflip", "-i", "h264_closed.mp4", "-c", "copy"),
    "turned_mirrored.mp4": (
        "-display_rotation",
        "90",
        "-display_hflip",
        "-i",
        "h264_closed.mp4",
        "-c",
        "copy",
    ),
    "longer_sound.mp4": (
        *("-i", "h264_closed.mp4", "-f", "lavfi", "-i", "sine=d=9", "-map", "0:v", "-map", "1:a"),
        *("-c:v", "copy", "-c:a", "aac"),
    ),
    "with_cover.mp4": (
        *("-i", "h264_closed.mp4", "-f", "lavfi", "-i", "color=red:s=64x64", "-map", "1", "-map", "0"),
        *("-c:v:0", "mjpeg", "-frames:v:0", "1", "-c:v:1", "copy", "-disposition:v:0", "attached_pic"),
    ),
    "cover_only.m4a": (
        *(
            "-f",
            "lavfi",
            "-i",
            "sine=d=2",
            "-f",
            "lavfi",
            "-i",
            "color=red:s=64x64",
            "-map",
            "0",
            "-map",
            "1",
        ),
        *("-c:a", "aac", "-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic"),
    ),
    "index_first.mp4": ("-i", "h264_closed.mp4", "-c", "copy", "-movflags", "+faststart"),
    "smaller_later.ts": (
        *("-i", "h264_closed.mp4", "-vf", "scale=80:60"),
        *(*CLOSED, "-output_ts_offset", "4.4"),
    ),
}


class ClipMaker:
    """Makes clips by name into one folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> Path:
        path = self.folder / name
        if path.exists():
            return path
        if name in RECIPES:
            arguments: tuple[str, ...] = (*PATTERN, "-threads", "1", *RECIPES[name])
        else:
            arguments = tuple(str(self(a)) if a in RECIPES else a for a in DERIVED[name])
        command = [program(), "-nostdin", "-v", "error", "-y", *arguments, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return path
